//! The client: carries out the commands of the standard input, and writes one line for each.

use std::io::{stdin, Lines, StdinLock};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use protobuf::well_known_types::wrappers::BytesValue;
use protobuf::Message;
use tokio::runtime::Runtime;
use ttrpc::r#async::transport::Socket;
use ttrpc::r#async::Client;
use ttrpc::{context, Error, Request};

use crate::{decode_payload, encode_hex, encode_payload, Outcome};

const SERVICE: &str = "interop.Peer";

pub fn call(runtime: &Runtime, address: &str) -> Outcome<()> {
    let client = runtime.block_on(Client::connect(address))?;
    let mut commands = stdin().lines();
    while let Some(command) = commands.next() {
        let command = command?;
        let line = match command.split(' ').collect::<Vec<_>>()[..] {
            ["call", service, method, milliseconds, metadata, payload] => {
                let payload = decode_payload(payload)?;
                let request = request(service, method, milliseconds, metadata, payload)?;
                outcome(runtime.block_on(ask(&client, request)))
            }
            ["many", count, method] => runtime.block_on(many(&client, count.parse()?, method))?,
            ["half-close", method] => half_close(runtime, address, method, &mut commands)?,
            _ => return Err(format!("unknown command: {command}").into()),
        };
        println!("{line}");
    }
    Ok(())
}

fn request(
    service: &str,
    method: &str,
    milliseconds: &str,
    metadata: &str,
    payload: Vec<u8>,
) -> Outcome<Request> {
    let mut value = BytesValue::new();
    value.value = payload;
    let mut values = context::Context::default();
    for entry in metadata.split(',').filter(|entry| *entry != "-") {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        values.add(key.into(), value.into());
    }
    let mut request = Request::new();
    request.service = service.into();
    request.method = method.into();
    request.timeout_nano = milliseconds.parse::<i64>()? * 1_000_000;
    request.metadata = context::to_pb(values.metadata);
    request.payload = value.write_to_bytes()?;
    Ok(request)
}

async fn ask(client: &Client, request: Request) -> ttrpc::Result<Vec<u8>> {
    let response = client.request(request).await?;
    BytesValue::parse_from_bytes(&response.payload)
        .map(|answer| answer.value)
        .map_err(|error| Error::Others(error.to_string()))
}

fn outcome(answer: ttrpc::Result<Vec<u8>>) -> String {
    match answer {
        Ok(payload) => format!("ok {}", encode_payload(&payload)),
        Err(Error::RpcStatus(status)) => {
            let message = encode_payload(status.message().as_bytes());
            let mut line = format!("status {} {message}", status.code.value());
            for detail in &status.details {
                line += &format!(" {}={}", detail.type_url, encode_hex(&detail.value));
            }
            line
        }
        Err(error) => format!("failed {error}"),
    }
}

/// Make calls all at once, each with a payload of its own, and count those that got it back.
async fn many(client: &Client, count: u32, method: &str) -> Outcome<String> {
    let mut running = Vec::new();
    for number in 0..count {
        let payload = number.to_string().into_bytes();
        let request = request(SERVICE, method, "0", "-", payload.clone())?;
        let client = client.clone();
        let one = async move {
            ask(&client, request)
                .await
                .is_ok_and(|answer| answer == payload)
        };
        running.push(tokio::spawn(one));
    }
    let mut right = 0;
    for one in running {
        right += u32::from(one.await?);
    }
    Ok(format!("ok {right}"))
}

/// Start a call on a connection of its own; at the next command, whatever it is, end this direction of the connection,
/// and then tell how the call ends.
fn half_close(
    runtime: &Runtime,
    address: &str,
    method: &str,
    commands: &mut Lines<StdinLock<'static>>,
) -> Outcome<String> {
    let path = address
        .strip_prefix("unix://")
        .ok_or("half-close is for unix sockets")?;
    let stream = UnixStream::connect(path)?;
    let ours = stream.try_clone()?;
    let client = Client::new(Socket::try_from(stream)?);
    let request = request(SERVICE, method, "0", "-", Vec::new())?;
    let call = runtime.spawn(async move { ask(&client, request).await });
    commands.next().transpose()?;
    ours.shutdown(Shutdown::Write)?;
    Ok(outcome(runtime.block_on(call)?))
}
