//! gzip against flate2, and against damage.

use std::io::{Read, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// As GNU's gzip writes it, with the file's name.
const FILE: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x08, 0xd9, 0x0f, 0x04, 0x6b, 0x02, 0x03, 0x73, 0x70, 0x61, 0x6e, 0x73, 0x2e, 0x62,
    0x69, 0x6e, 0x00, 0x0b, 0xcf, 0x48, 0x2c, 0x51, 0x48, 0x54, 0x28, 0x4a, 0x2d, 0x2c, 0x4d, 0x2d, 0x2e,
    0x51, 0xc8, 0xc8, 0xcf, 0x49, 0x29, 0xd6, 0x51, 0x28, 0xc7, 0x22, 0xaa, 0xc7, 0x05, 0x00, 0xbf, 0x40,
    0x2b, 0x0b, 0x2c, 0x00, 0x00, 0x00,
];
const TEXT: &[u8] = b"What a request holds, what a request holds.\n";

/// What flate2 makes of the same bytes; it reads to one byte behind the limit.
fn oracle(bytes: &[u8], limit: usize) -> Result<Vec<u8>, NotUnpacked> {
    let mut data = Vec::new();
    let most = u64::try_from(limit).unwrap() + 1;
    let read = GzDecoder::new(bytes).take(most).read_to_end(&mut data);
    read.map_err(|_| NotUnpacked::Damaged)?;
    if data.len() > limit {
        return Err(NotUnpacked::TooLarge);
    }
    Ok(data)
}

fn by_flate2(data: &[u8], level: u32) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::new(level));
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

/// Every field that a head can have, and its checksum.
fn with_every_field() -> Vec<u8> {
    let builder = GzBuilder::new().extra("more").filename("name").comment("word");
    let mut packed = builder.write(Vec::new(), Compression::best());
    packed.write_all(TEXT).unwrap();
    let mut packed = packed.finish().unwrap();
    packed[3] |= HEAD_CRC;
    let head = 10 + 2 + "more".len() + "name".len() + 1 + "word".len() + 1;
    let [low, high, ..] = CRC.checksum(&packed[..head]).to_le_bytes();
    packed.splice(head..head, [low, high]);
    packed
}

#[test]
fn a_file_that_gzip_wrote_unpacks() {
    assert_eq!(unpack(FILE, 1000).unwrap(), TEXT);
}

#[test]
fn every_field_of_a_head_is_passed_over() {
    let packed = with_every_field();
    assert_eq!(unpack(&packed, 1000).unwrap(), TEXT);
    assert_eq!(oracle(&packed, 1000).unwrap(), TEXT);
}

#[test]
fn what_stands_behind_the_first_member_is_not_looked_at() {
    for more in [&b"\0"[..], FILE, &[0; 600]] {
        let bytes = [FILE, more].concat();
        assert_eq!(unpack(&bytes, 1000).unwrap(), TEXT);
        assert_eq!(oracle(&bytes, 1000).unwrap(), TEXT);
    }
}

#[test]
fn a_bit_that_has_no_meaning_yet_is_refused() {
    for bit in 5..8 {
        let mut bytes = FILE.to_vec();
        bytes[3] |= 1 << bit;
        assert_eq!(unpack(&bytes, 1000), Err(NotUnpacked::Damaged));
    }
}

#[test]
fn a_damaged_or_cut_byte_is_found_wherever_it_stands() {
    for good in [FILE.to_vec(), with_every_field(), pack(TEXT)] {
        for place in 0..good.len() {
            assert_eq!(unpack(&good[..place], 1000), Err(NotUnpacked::Damaged), "{place}");
            for flip in 1..=u8::MAX {
                let mut bytes = good.clone();
                bytes[place] ^= flip;
                let found = unpack(&bytes, 1000);
                assert_eq!(found, oracle(&bytes, 1000), "{place} {flip:#x}");
                assert!(found.is_err() || found.unwrap() == TEXT, "{place} {flip:#x}");
            }
        }
        let head = good.len() - 8;
        for place in head..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            assert_eq!(unpack(&bytes, 1000), Err(NotUnpacked::Damaged), "{place}");
        }
    }
}

#[test]
fn data_may_have_the_limit_and_no_byte_more() {
    for length in [0, 1, 2, 63, 64, 65, 127, 128, 129, 1000, 32_768, 100_001] {
        let same = vec![b'x'; length];
        let mixed: Vec<u8> = (0_u32..)
            .map(|n| (n.wrapping_mul(n) % 251).to_le_bytes()[0])
            .take(length)
            .collect();
        for data in [same, mixed] {
            for packed in [pack(&data), by_flate2(&data, 0), by_flate2(&data, 9)] {
                let found = unpack(&packed, length).unwrap();
                assert!(found == data, "{length}");
                assert!(found.capacity() <= length, "{length}: {}", found.capacity());
                if let Some(less) = length.checked_sub(1) {
                    assert_eq!(unpack(&packed, less), Err(NotUnpacked::TooLarge), "{length}");
                }
            }
        }
    }
}

#[test]
fn a_limit_that_doubling_would_pass_is_kept() {
    let packed = pack(&vec![0; 3 << 20]);
    let limit = (3 << 20) + 5;
    let found = unpack(&packed, limit).unwrap();
    assert!(found.capacity() <= limit, "{}", found.capacity());
    assert_eq!(unpack(&packed, 100_000), Err(NotUnpacked::TooLarge));
}

/// Runs of bytes, which pack, and bytes that do not.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let run = (any::<u8>(), 1_usize..400).prop_map(|(byte, length)| vec![byte; length]);
    vec(prop_oneof![run, vec(any::<u8>(), 0..60)], 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn packed_bytes_unpack_to_what_they_were_here_and_elsewhere(data in data(), level in 0_u32..10) {
        let packed = pack(&data);
        prop_assert_eq!(&oracle(&packed, data.len()), &Ok(data.clone()));
        prop_assert_eq!(unpack(&packed, data.len()), Ok(data.clone()));
        prop_assert_eq!(unpack(&by_flate2(&data, level), data.len()), Ok(data));
    }

    #[test]
    fn damaged_gzip_is_judged_as_flate2_judges_it(
        data in data(),
        level in 0_u32..10,
        limit in 0_usize..6000,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut packed = by_flate2(&data, level);
        for (place, byte) in damage {
            let place = place.index(packed.len());
            packed[place] = byte;
        }
        if let Some(cut) = cut {
            packed.truncate(cut.index(packed.len()));
        }
        let (found, expected) = (unpack(&packed, limit), oracle(&packed, limit));
        // Behind the limit flate2 may have read some more already, and found the damage.
        if found != Err(NotUnpacked::TooLarge) || expected != Err(NotUnpacked::Damaged) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn no_bytes_make_the_unpacking_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = unpack(&bytes, 1000);
        let _ = unpack(&[&HEAD[..], &bytes].concat(), 1000);
    }
}
