//! The tcp probe: somebody accepts the connection.

use tokio::net::TcpStream;

use super::LookError;

/// Looks once. The caller bounds the time.
pub(super) async fn look(address: &str) -> Result<(), LookError> {
    TcpStream::connect(address)
        .await
        .map(drop)
        .map_err(|error| LookError::NoConnection {
            problem: error.to_string(),
        })
}
