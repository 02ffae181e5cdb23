//! The host of a registry and its port, in normal form: `host[:port]`.

use crate::domain::text::Invalid;
use std::net::Ipv6Addr;
use url::Host;

const NOT_A_HOST: Invalid = Invalid("must begin with a valid host name or address");

/// Lower-case, in Punycode, without a trailing dot; IPv6 addresses in brackets and in the form of RFC 5952.
pub(super) fn normalise(text: &str) -> Result<String, Invalid> {
    let (host, port) = split_port(text)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => ipv6(rest)?,
        None => name_or_ipv4(host)?,
    };
    match port {
        Some(port) => {
            check_port(port)?;
            Ok(format!("{host}:{port}"))
        }
        // An image reference takes such a first component for a part of a Docker Hub repository.
        None if !host.contains(['.', ':']) && host != "localhost" => {
            Err(Invalid("must have the full host name, such as registry.example.com, or a port"))
        }
        None => Ok(host),
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), Invalid> {
    // The colons of an IPv6 address are inside its brackets.
    let end = if text.starts_with('[') {
        text.find(']').ok_or(NOT_A_HOST)? + 1
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(NOT_A_HOST),
    }
}

fn check_port(port: &str) -> Result<(), Invalid> {
    let plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    if plain && port.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err(Invalid("must have a port between 1 and 65535, without leading zeros"))
    }
}

fn ipv6(rest: &str) -> Result<String, Invalid> {
    let address: Ipv6Addr = rest.strip_suffix(']').and_then(|text| text.parse().ok()).ok_or(NOT_A_HOST)?;
    // Its normal form has dots, which an image reference cannot hold within brackets.
    if address.to_ipv4_mapped().is_some() {
        return Err(Invalid("must not have an IPv4 address inside an IPv6 address"));
    }
    Ok(format!("[{address}]"))
}

fn name_or_ipv4(text: &str) -> Result<String, Invalid> {
    match Host::parse(text).map_err(|_| NOT_A_HOST)? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            if is_dns_name(name) { Ok(name.to_owned()) } else { Err(NOT_A_HOST) }
        }
        // URLs also allow `127.1` and `0x7f.0.0.1`; an image with such a host would never match the address.
        Host::Ipv4(address) => {
            let address = address.to_string();
            if address == text.strip_suffix('.').unwrap_or(text) { Ok(address) } else { Err(NOT_A_HOST) }
        }
        Host::Ipv6(_) => Err(NOT_A_HOST),
    }
}

fn is_dns_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}
