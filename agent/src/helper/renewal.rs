//! The renewal of the worker's certificate: the worker says for which key, the node's key says that it
//! is this node's. It signs nothing else in that form.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::enrol::RenewRequest;
use sanaga_proto::wire::envelope;

use super::Helper;

/// A certificate request, bytes; one for a P-256 key takes 200.
const REQUEST_BYTES_MAX: usize = 4_096;

impl Helper {
    /// A signed renewal for a certificate request (DER) of the worker.
    ///
    /// # Errors
    /// [`code::TOO_BIG`], or no source of random numbers.
    pub fn renewal(&self, csr: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if csr.len() > REQUEST_BYTES_MAX {
            return Err(Failure::new(code::TOO_BIG)
                .arg("what", "certificate request")
                .arg("limit", REQUEST_BYTES_MAX));
        }
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce)
            .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?;
        let request = RenewRequest {
            node_key: self.node_key.id(),
            nonce,
            csr: Bytes(csr),
        };
        envelope::seal(&request, &self.node_key).map_err(Failure::of)
    }
}
