//! The least an extension can do: registers over TCP with the standard library alone, then asks for events until
//! SHUTDOWN. What it costs is the floor under every figure of `cargo xtask bench`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const REGISTRATION: &str = r#"{"events":["INVOKE","SHUTDOWN"]}"#;

fn main() -> io::Result<()> {
    let host = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let program = std::env::args().next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let mut lambda = BufReader::new(TcpStream::connect(&host)?);
    let register = format!(
        "POST /2020-01-01/extension/register HTTP/1.1\r\nhost: {host}\r\nlambda-extension-name: {name}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{REGISTRATION}",
        REGISTRATION.len()
    );
    let identifier = ask(&mut lambda, &register)?.identifier;
    let next = format!(
        "GET /2020-01-01/extension/event/next HTTP/1.1\r\nhost: {host}\r\nlambda-extension-identifier: {identifier}\r\n\r\n"
    );
    while !ask(&mut lambda, &next)?.body.contains(r#""SHUTDOWN""#) {}
    Ok(())
}

struct Answer {
    identifier: String,
    body: String,
}

fn ask(lambda: &mut BufReader<TcpStream>, request: &str) -> io::Result<Answer> {
    lambda.get_mut().write_all(request.as_bytes())?;
    let (mut identifier, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if lambda.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("lambda-extension-identifier") {
            value.trim().clone_into(&mut identifier);
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    lambda.read_exact(&mut body)?;
    Ok(Answer {
        identifier,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
