use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

#[test]
fn encodings_are_known_by_their_names() {
    for (name, packing) in [
        ("", Some(Packing::Plain)),
        ("identity", Some(Packing::Plain)),
        (" GZIP ", Some(Packing::Gzip)),
        ("x-gzip", Some(Packing::Gzip)),
        ("deflate", Some(Packing::Deflate)),
        ("br", None),
        ("gzip, gzip", None),
    ] {
        assert_eq!(Packing::of(name), packing, "{name}");
    }
}

#[test]
fn a_body_unpacks_to_its_bound_and_no_further() {
    let body = b"twelve bytes";
    for (packed, packing) in [
        (body.to_vec(), Packing::Plain),
        (gzip(body), Packing::Gzip),
        (zlib(body), Packing::Deflate),
    ] {
        assert_eq!(
            unpack(&packed, packing, 12).as_deref(),
            Ok(&body[..]),
            "{packing:?}"
        );
        let refused = unpack(&packed, packing, 11);
        assert_eq!(refused, Err(NotUnpacked::TooLarge(11)), "{packing:?}");
    }
    let bomb = gzip(&vec![0; 10 << 20]);
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    assert_eq!(
        unpack(&bomb, Packing::Gzip, 20_000),
        Err(NotUnpacked::TooLarge(20_000))
    );
}

#[test]
fn members_of_gzip_in_a_row_are_one_body() {
    let row = [gzip(b"one, "), gzip(b"two")].concat();
    assert_eq!(unpack(&row, Packing::Gzip, 100).as_deref(), Ok(&b"one, two"[..]));
}

#[test]
fn what_is_cut_short_or_something_else_is_said_to_be_damaged() {
    for (packed, packing) in [(gzip(b"body"), Packing::Gzip), (zlib(b"body"), Packing::Deflate)] {
        let cut = &packed[..packed.len() - 1];
        assert_eq!(
            unpack(cut, packing, 100),
            Err(NotUnpacked::Damaged),
            "{packing:?}"
        );
        assert_eq!(
            unpack(b"body", packing, 100),
            Err(NotUnpacked::Damaged),
            "{packing:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic_or_pass_its_bound(
        body in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        for (mut packed, packing) in [(gzip(&body), Packing::Gzip), (zlib(&body), Packing::Deflate)] {
            let at = at.index(packed.len());
            packed[at] = byte;
            if let Ok(unpacked) = unpack(&packed, packing, 150) {
                prop_assert!(unpacked.len() <= 150);
            }
            let _ = unpack(&body, packing, 150);
        }
    }
}
