//! Bytes of the binary, as it is and in a zip: ours as it is released, the others' as `zip -9` packs them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::plan::Plan;
use crate::table::{Row, Table};

/// What `zip -9` makes of the file, less the entry's header.
const DEFLATE: &str = "\
import sys, zlib
deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
print(len(deflate.compress(open(sys.argv[1], 'rb').read()) + deflate.flush()))";

/// The size of the binary, and of its zip entry.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let floor = plan.floor()?;
    let of_all = |size: fn(&Path) -> Outcome<u64>| {
        Ok::<_, crate::Failure>(Sizes {
            extension: size(&plan.extension)?,
            floor: size(&floor)?,
            peer: plan.rival().map(size).transpose()?,
        })
    };
    row(table, "size of the binary", &of_all(bytes)?, 3.2);
    match of_all(deflated) {
        Ok(mut sizes) => {
            // Licences and the wrapper are in it too.
            if let Some(zip) = &plan.zip {
                sizes.extension = bytes(zip)?;
            }
            row(table, "size in a zip", &sizes, 1.6);
        }
        Err(error) => table.leave_out(format!(
            "the size in a zip was left out: python3 is missing ({error})"
        )),
    }
    Ok(())
}

/// Bytes of each program.
struct Sizes {
    extension: u64,
    floor: u64,
    peer: Option<u64>,
}

fn row(table: &mut Table, figure: &str, sizes: &Sizes, target_mb: f64) {
    let mb = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6;
    let text = |bytes: u64| format!("{:.3} MB", mb(bytes));
    table.push(Row {
        figure: figure.to_owned(),
        extension: text(sizes.extension),
        floor: text(sizes.floor),
        ratio: Some(mb(sizes.extension) / mb(sizes.floor)),
        peer: sizes.peer.map(text).unwrap_or_default(),
        target: format!("≤ {target_mb} MB"),
        is_met: Some(mb(sizes.extension) <= target_mb),
    });
}

fn bytes(file: &Path) -> Outcome<u64> {
    Ok(std::fs::metadata(file)?.len())
}

fn deflated(file: &Path) -> Outcome<u64> {
    let output = Command::new("python3")
        .args(["-c", DEFLATE])
        .arg(file)
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}
