//! Numbers that look random and follow from a seed: the same on every machine, today and in ten years (SplitMix64). Nothing secret
//! is drawn here.

#[derive(Clone, Debug)]
pub struct Dice(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    /// One row of numbers for each tuple.
    pub fn of(seed: u64, parts: [u64; 3]) -> Self {
        let mut dice = Self(seed);
        for part in parts {
            let drawn = dice.draw();
            dice = Self(drawn ^ part.wrapping_mul(STEP));
        }
        dice
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of these; the first of many is no likelier than the last by more than nobody would notice.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(of.len()).ok().filter(|count| *count > 0)?;
        of.get(usize::try_from(self.draw() % count).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_on_every_machine() {
        let mut dice = Dice(0);
        // The published test vector.
        assert_eq!([dice.draw(), dice.draw()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_eq!(Dice::of(7, [1, 2, 3]).draw(), Dice::of(7, [1, 2, 3]).draw());
        assert_ne!(Dice::of(7, [1, 2, 3]).draw(), Dice::of(7, [1, 3, 2]).draw());
        assert_eq!(Dice(1).pick::<u8>(&[]), None);
    }
}
