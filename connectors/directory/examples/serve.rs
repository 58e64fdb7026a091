//! Serves a directory: `serve FILE ADDRESS`, with the token in `DIRECTORY_TOKEN`. For tests and measurements.

use std::sync::Arc;

use provost_directory::{Directory, Settings, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: DIRECTORY_TOKEN=... serve FILE ADDRESS".into());
    };
    let token = std::env::var("DIRECTORY_TOKEN").map_err(|_| "DIRECTORY_TOKEN is not set")?;
    let directory = Arc::new(Directory::open(file)?);
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}{}", listener.local_addr()?, provost_directory::BASE_PATH);
    let shutdown = async { drop(tokio::signal::ctrl_c().await) };
    serve(listener, directory, Settings::new(token.into()), shutdown).await?;
    Ok(())
}
