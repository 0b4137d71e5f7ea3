//! Peer speaks ttRPC with the crate `ttrpc`, as a server or as a client: see ../README.md.

mod call;
mod serve;

use std::error::Error;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "serve", address] => serve::serve(&runtime, address),
        [_, "call", address] => call::call(&runtime, address),
        _ => Err("usage: peer serve|call ADDRESS".into()),
    }
}

/// What @N stands for: N bytes, each its index modulo 251.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

fn decode_payload(text: &str) -> Outcome<Vec<u8>> {
    if text == "-" {
        return Ok(Vec::new());
    }
    if let Some(size) = text.strip_prefix('@') {
        return Ok(pattern(size.parse()?));
    }
    (0..text.len())
        .step_by(2)
        .map(|index| Ok(u8::from_str_radix(&text[index..index + 2], 16)?))
        .collect()
}

fn encode_payload(data: &[u8]) -> String {
    if data.is_empty() {
        return "-".into();
    }
    if data.len() > 251 && data == pattern(data.len()) {
        return format!("@{}", data.len());
    }
    encode_hex(data)
}

fn encode_hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}
