//! The server: answers calls until the standard input ends.

use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;

use async_trait::async_trait;
use protobuf::well_known_types::wrappers::BytesValue;
use protobuf::Message;
use tokio::runtime::Runtime;
use ttrpc::proto::Status;
use ttrpc::r#async::{MethodHandler, Server, Service, TtrpcContext};
use ttrpc::{Code, Error, Request, Response};

use crate::{pattern, Outcome};

const METHODS: [&str; 7] = [
    "Break", "Echo", "Metadata", "Pattern", "Sleep", "Status", "Timeout",
];

struct Method(&'static str);

pub fn serve(runtime: &Runtime, address: &str) -> Outcome<()> {
    let methods = METHODS
        .iter()
        .map(|name| {
            let handler: Box<dyn MethodHandler + Send + Sync> = Box::new(Method(name));
            (name.to_string(), handler)
        })
        .collect();
    let service = Service {
        methods,
        streams: HashMap::new(),
    };
    let mut server = Server::new()
        .bind(address)?
        .register_service(HashMap::from([("interop.Peer".to_string(), service)]));
    runtime.block_on(server.start())?;
    println!("listening");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

#[async_trait]
impl MethodHandler for Method {
    async fn handler(&self, context: TtrpcContext, request: Request) -> ttrpc::Result<Response> {
        let payload = BytesValue::parse_from_bytes(&request.payload)
            .map_err(others)?
            .value;
        let mut response = Response::new();
        response.set_status(ttrpc::get_status(Code::OK, ""));
        if self.0 == "Status" {
            response.set_status(Status::parse_from_bytes(&payload).map_err(others)?);
            return Ok(response);
        }
        let mut answer = BytesValue::new();
        answer.value = self.answer(context, payload).await?;
        response.payload = answer.write_to_bytes().map_err(others)?;
        Ok(response)
    }
}

impl Method {
    async fn answer(&self, context: TtrpcContext, payload: Vec<u8>) -> ttrpc::Result<Vec<u8>> {
        match self.0 {
            "Break" => Err(Error::Others("broken".into())),
            "Metadata" => Ok(metadata(context.metadata)),
            "Pattern" => Ok(pattern(number(&payload)? as usize)),
            "Sleep" => {
                tokio::time::sleep(Duration::from_millis(number(&payload)?)).await;
                Ok(payload)
            }
            "Timeout" => Ok(context.timeout_nano.to_string().into_bytes()),
            _ => Ok(payload),
        }
    }
}

fn metadata(values: HashMap<String, Vec<String>>) -> Vec<u8> {
    let mut lines: Vec<String> = values
        .iter()
        .map(|(key, values)| format!("{key}={}", values.join(",")))
        .collect();
    lines.sort();
    lines.join("\n").into_bytes()
}

fn number(payload: &[u8]) -> ttrpc::Result<u64> {
    String::from_utf8_lossy(payload).parse().map_err(others)
}

fn others(error: impl ToString) -> Error {
    Error::Others(error.to_string())
}
