//! Time, medians and memory.

use std::{
    fs,
    process::{Child, Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(1);

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median of differences, in milliseconds; they may be negative.
pub fn median_of(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

pub fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = what();
    (result, start.elapsed())
}

pub fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// The most memory that a process has had at once (`VmHWM`), in kilobytes; 0 once it has ended.
pub fn peak_of(pid: u32) -> u64 {
    status_line(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// The same of this process.
pub fn own_peak() -> u64 {
    status_line("/proc/self/status", "VmHWM:")
}

/// Forgets this process's peak, so that the next one is of what comes now. Needs a kernel that lets a process do so.
pub fn forget_own_peak() {
    // Where it may not, the peak is that of the whole run, which is larger.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn status_line(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}

/// Processor time of this process and of the children that it has waited for.
pub fn processor_time() -> Duration {
    // In hundredths of a second, which Linux has fixed for whoever reads this file.
    const TICK: Duration = Duration::from_millis(10);
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    let ticks: u32 = after.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<u32>().ok()).sum();
    TICK * ticks
}

/// Runs a command to its end, and gives the most memory that it had, in kilobytes.
pub fn run_watched(command: &mut Command) -> Result<(ExitStatus, u64)> {
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    wait_watched(&mut child)
}

fn wait_watched(child: &mut Child) -> Result<(ExitStatus, u64)> {
    let mut peak = 0;
    loop {
        // Before it is asked whether it has ended: what has ended has no memory any more.
        peak = peak.max(peak_of(child.id()));
        if let Some(status) = child.try_wait()? {
            return Ok((status, peak));
        }
        thread::sleep(LOOK);
    }
}

/// Looks at every process that runs a program, until it is dropped or asked.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watch {
    pub fn over(program: &str) -> Self {
        let (stop, peak) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, found, program) = (Arc::clone(&stop), Arc::clone(&peak), program.to_owned());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for pid in running(&program) {
                    found.fetch_max(peak_of(pid), Ordering::Relaxed);
                }
                thread::sleep(LOOK);
            }
        });
        Self { stop, peak, thread: Some(thread) }
    }

    /// The most memory that one of them had, in kilobytes.
    pub fn peak(mut self) -> u64 {
        self.end();
        self.peak.load(Ordering::Relaxed)
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

fn running(program: &str) -> Vec<u32> {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let runs = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.as_os_str() == program);
    pids.filter(|pid| *pid != own).filter(runs).collect()
}
