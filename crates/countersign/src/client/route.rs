//! How a server is reached: directly or through a proxy, and how far a redirect is followed.
//!
//! Proxies are those of the environment, read as curl reads it, but never for a machine's own addresses. `HTTP_PROXY` in
//! capitals is not believed under CGI, where a request header called `Proxy` becomes that variable (httpoxy). A gate's hooks
//! believe nothing of their environment, in which whoever pushes may have a say: theirs is named in `gate.yaml`.
//!
//! A question may be sent on within the same server; a statement is not: what is signed goes to the address that was named.

use std::net::IpAddr;

use ureq::{
    Proxy,
    http::{Method, Uri, uri::Scheme},
};

/// Where proxies are named.
#[derive(Clone, Copy, Debug)]
pub enum Via<'a> {
    Environment,
    /// This one, or none.
    Only(Option<&'a str>),
}

/// The proxy for a server.
pub fn proxy(url: &str, via: Via<'_>, variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    let server: Uri = url.parse().ok()?;
    let host = server.host()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if is_loopback(&host) {
        return None;
    }
    let named = match via {
        Via::Only(named) => named.map(str::to_owned),
        Via::Environment => environment(&server, &host, variable),
    };
    Proxy::new(&named?).ok()
}

/// What the environment says, lower case first, as curl does.
pub fn environment(server: &Uri, host: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let said = |name: &str| variable(name).filter(|value| !value.is_empty());
    let either = |name: &str| said(name).or_else(|| said(&name.to_ascii_uppercase()));
    let is_cgi = said("REQUEST_METHOD").is_some();
    let of_scheme = match server.scheme() == Some(&Scheme::HTTPS) {
        true => either("https_proxy"),
        false => said("http_proxy").or_else(|| said("HTTP_PROXY").filter(|_| !is_cgi)),
    };
    let named = of_scheme.or_else(|| either("all_proxy"))?;
    let port = server.port_u16();
    let except = either("no_proxy").unwrap_or_default();
    (!is_excepted(host, port, &except)).then_some(named)
}

/// The proxy that the environment names for a server, for whoever writes it down.
pub fn named_for(url: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let server: Uri = url.parse().ok()?;
    let host = server.host()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if is_loopback(&host) { None } else { environment(&server, &host, variable) }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    let is_name = name == "localhost" || name.ends_with(".localhost");
    is_name || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a list as in `NO_PROXY` names a host: by its name or the end of it, by its address or a network; `*` is all.
fn is_excepted(host: &str, port: Option<u16>, list: &str) -> bool {
    if list.trim() == "*" {
        return true;
    }
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        match host.parse::<IpAddr>() {
            Ok(address) => names_address(&entry, address, port),
            Err(_) => {
                let (name, of_port) = with_port(&entry);
                let name = name.trim_matches('.');
                let host = host.trim_end_matches('.');
                let same = host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
                !name.is_empty() && same && of_port.is_none_or(|of| Some(of) == port)
            }
        }
    })
}

fn names_address(entry: &str, address: IpAddr, port: Option<u16>) -> bool {
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if let Some((network, bits)) = entry.split_once('/') {
        let network = bare(network).zip(bits.parse::<u32>().ok());
        return network.is_some_and(|(network, bits)| is_in(address, network, bits));
    }
    match bare(entry) {
        Some(named) => named == address,
        None => {
            let (name, of_port) = with_port(entry);
            bare(name) == Some(address) && of_port.is_some() && of_port == port
        }
    }
}

/// `name:80`.
fn with_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) => (name, Some(port)),
        Some((_, Err(_))) | None => (entry, None),
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |one: u128, other: u128, width: u32| match width.checked_sub(bits) {
        Some(rest) => one.checked_shr(rest).unwrap_or(0) == other.checked_shr(rest).unwrap_or(0),
        None => false,
    };
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => same(u32::from(one).into(), u32::from(other).into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Where an answer sends on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// The same server: it may be asked there.
    Within(String),
    /// Somewhere else.
    Elsewhere(String),
}

/// Reads a redirect of a request to `url`, whose `Location` this is.
pub fn redirect(method: &Method, url: &str, location: &str) -> Redirect {
    let to = joined(url, location);
    let (Ok(from), Ok(target)) = (url.parse::<Uri>(), to.parse::<Uri>()) else { return Redirect::Elsewhere(to) };
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let same_host = from.host().zip(target.host()).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other));
    // From http to https of the same host is what many servers do with everything.
    let upgraded = port(&from) == 80 && port(&target) == 443 && target.scheme() == Some(&Scheme::HTTPS);
    let same = from.scheme() == target.scheme() && port(&from) == port(&target);
    match same_host && (same || upgraded) && method == Method::GET {
        true => Redirect::Within(to),
        false => Redirect::Elsewhere(to),
    }
}

/// An address as it is meant where another one is read.
fn joined(url: &str, location: &str) -> String {
    let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
    let root = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let path = url.split(['?', '#']).next().unwrap_or(url);
    match location {
        full if full.contains("://") => full.to_owned(),
        of_a_host if of_a_host.starts_with("//") => format!("{scheme}:{of_a_host}"),
        of_the_root if of_the_root.starts_with('/') => format!("{root}{of_the_root}"),
        relative => match path.rsplit_once('/').filter(|(folder, _)| folder.len() >= root.len()) {
            Some((folder, _)) => format!("{folder}/{relative}"),
            None => format!("{root}/{relative}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment_of(said: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let said: Vec<(String, String)> = said.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        move |name| said.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn through(url: &str, said: &[(&str, &str)]) -> Option<String> {
        named_for(url, environment_of(said))
    }

    #[test]
    fn proxies_are_read_as_curl_reads_them() {
        let url = "http://log.example.com:7878";
        assert_eq!(through(url, &[("http_proxy", "http://p")]).as_deref(), Some("http://p"));
        assert_eq!(through(url, &[("HTTP_PROXY", "http://p")]).as_deref(), Some("http://p"));
        assert_eq!(
            through(url, &[("http_proxy", "http://l"), ("HTTP_PROXY", "http://c")]).as_deref(),
            Some("http://l")
        );
        assert_eq!(through(url, &[("https_proxy", "http://p")]), None);
        assert_eq!(through("https://x", &[("HTTPS_PROXY", "http://p")]).as_deref(), Some("http://p"));
        assert_eq!(through(url, &[("ALL_PROXY", "http://p")]).as_deref(), Some("http://p"));
    }

    #[test]
    fn under_cgi_a_request_header_is_no_proxy() {
        let url = "http://log.example.com";
        let header = ("HTTP_PROXY", "http://pushers-choice");
        assert_eq!(through(url, &[header, ("REQUEST_METHOD", "POST")]), None);
        let own = ("http_proxy", "http://own");
        assert_eq!(through(url, &[header, own, ("REQUEST_METHOD", "POST")]).as_deref(), Some("http://own"));
    }

    #[test]
    fn a_machines_own_addresses_are_reached_directly() {
        for url in [
            "http://127.0.0.1:7878",
            "http://127.9.9.9",
            "http://localhost",
            "http://LOCALHOST.",
            "http://a.localhost",
            "http://[::1]:80",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert_eq!(through(url, &[("http_proxy", "http://p"), ("ALL_PROXY", "http://p")]), None, "{url}");
            assert!(proxy(url, Via::Only(Some("http://p")), |_| None).is_none(), "{url}");
        }
        assert!(proxy("http://log.example.com", Via::Only(Some("http://p")), |_| None).is_some());
        let environment = environment_of(&[("http_proxy", "http://p")]);
        assert!(proxy("http://log.example.com", Via::Only(None), environment).is_none());
    }

    #[test]
    fn exceptions_are_read_as_curl_reads_them() {
        let excepted =
            |url: &str, list: &str| through(url, &[("http_proxy", "http://p"), ("NO_PROXY", list)]).is_none();
        let url = "http://log.example.com:7878";
        for list in [
            "*",
            "example.com",
            ".example.com",
            "a,example.com",
            "a example.com",
            "LOG.EXAMPLE.COM",
            "log.example.com:7878",
            "example.com.",
        ] {
            assert!(excepted(url, list), "{list}");
        }
        for list in ["", "ample.com", "com.example", "log.example.com:80", "a*", "og.example.com"] {
            assert!(!excepted(url, list), "{list}");
        }
        for (url, list) in [
            ("http://10.1.2.3", "10.1.2.3"),
            ("http://10.1.2.3", "10.0.0.0/8"),
            ("http://10.1.2.3", "1.1.1.1, 10.1.2.0/24"),
            ("http://10.1.2.3:80", "10.1.2.3:80"),
            ("http://[fd00::1]", "fd00::1"),
            ("http://[fd00::1]", "[fd00::1]"),
            ("http://[fd00::1]", "fd00::/8"),
        ] {
            assert!(excepted(url, list), "{url} {list}");
        }
        for (url, list) in [
            ("http://10.1.2.3", "10.1.2"),
            ("http://10.1.2.3", "11.0.0.0/8"),
            ("http://10.1.2.3", "10.1.2.3/40"),
            ("http://10.1.2.3", ".3"),
        ] {
            assert!(!excepted(url, list), "{url} {list}");
        }
    }

    #[test]
    fn questions_are_sent_on_within_a_server_and_statements_are_not() {
        let within = |to: &str| Redirect::Within(to.to_owned());
        let elsewhere = |to: &str| Redirect::Elsewhere(to.to_owned());
        let get = |from: &str, location: &str| redirect(&Method::GET, from, location);
        assert_eq!(get("http://a:1/v1/log", "/other/log"), within("http://a:1/other/log"));
        assert_eq!(get("http://a:1/v1/log?x=/", "entries"), within("http://a:1/v1/entries"));
        assert_eq!(get("http://a/v1/log", "https://A/v1/log"), within("https://A/v1/log"));
        assert_eq!(get("http://a:1/v1/log", "http://a:2/v1/log"), elsewhere("http://a:2/v1/log"));
        assert_eq!(get("http://a/v1/log", "http://b/v1/log"), elsewhere("http://b/v1/log"));
        assert_eq!(get("http://a/v1/log", "//b/v1/log"), elsewhere("http://b/v1/log"));
        assert_eq!(get("https://a/v1/log", "http://a/v1/log"), elsewhere("http://a/v1/log"));
        let posted = redirect(&Method::POST, "http://a/v1/statements", "/v1/statements/");
        assert_eq!(posted, elsewhere("http://a/v1/statements/"));
    }
}
