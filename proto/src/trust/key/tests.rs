//! Keys and signatures of both kinds, and what is none.

use super::super::sign::{MemorySigner, Signer as _};
use super::*;

#[test]
fn both_kinds_go_through_their_tuf_form_and_sign_both_ways() {
    for kind in [KeyKind::Ed25519, KeyKind::P256] {
        let signer = MemorySigner::generate(kind).unwrap();
        let again = MemorySigner::from_pkcs8(&signer.to_pkcs8()).unwrap();
        assert_eq!(signer.public(), again.public());
        let public = PublicKey::from_tuf(&signer.public().to_tuf()).unwrap();
        assert_eq!(&public, signer.public());
        let tuf = again.sign_tuf(b"message").unwrap();
        let cose = again.sign_cose(b"message").unwrap();
        assert_eq!(cose.len(), 64);
        public.verify_tuf(b"message", &tuf).unwrap();
        public.verify_cose(b"message", &cose).unwrap();
        assert!(public.verify_tuf(b"massage", &tuf).is_err());
        assert!(public.verify_cose(b"massage", &cose).is_err());
    }
}

#[test]
fn the_verifier_computes_the_same_id() {
    for kind in [KeyKind::Ed25519, KeyKind::P256] {
        let public = MemorySigner::generate(kind).unwrap().public().clone();
        let theirs: sigstore_tuf::Key = serde_json::from_value(public.to_tuf()).unwrap();
        assert_eq!(theirs.key_id().unwrap(), public.id().to_string());
    }
}

#[test]
fn the_id_is_the_one_that_securesystemslib_computes() {
    let key = PublicKey::Ed25519([0; 32]);
    assert_eq!(
        key.id().to_string(),
        "7f7373360bc914a5d4a7bd87711615178beb6cf52494fcc49082ec65ba62908c"
    );
}

#[test]
fn a_set_holds_while_no_key_is_taken_away() {
    let [a, b, c] = [1, 2, 3].map(|n| PublicKey::Ed25519([n; 32]));
    let old = KeySet::of([&a, &b], 1);
    assert!(old.holds_under(&KeySet::of([&a, &b, &c], 1)));
    assert!(!old.holds_under(&KeySet::of([&b, &c], 1)));
    assert!(!old.holds_under(&KeySet::of([&a, &b], 2)));
    assert!(KeySet::of([&a, &b], 2).holds_under(&old));
    assert_ne!(old.id(), KeySet::of([&a, &b], 2).id());
}

#[test]
fn what_is_not_a_key_is_refused() {
    for value in [
        json!({}),
        json!({"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "x"}}),
        json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00"}}),
        json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "0g"}}),
        json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}}),
    ] {
        assert!(PublicKey::from_tuf(&value).is_err(), "{value}");
    }
}
