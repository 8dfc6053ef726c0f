//! Bytes of the binary, as it is and in a zip entry.

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
    let bytes = |path| Ok::<_, crate::Failure>(std::fs::metadata(path)?.len());
    row(
        table,
        "size of the binary",
        [bytes(&plan.extension)?, bytes(&floor)?],
        3.2,
    );
    let deflated = deflated(&plan.extension).and_then(|extension| Ok([extension, deflated(&floor)?]));
    match deflated {
        Ok(sizes) => row(table, "size in a zip", sizes, 1.6),
        Err(error) => table.note(format!(
            "the size in a zip was left out: python3 is missing ({error})"
        )),
    }
    Ok(())
}

fn row(table: &mut Table, figure: &str, [extension, floor]: [u64; 2], target_mb: f64) {
    let mb = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6;
    table.push(Row {
        figure: figure.to_owned(),
        extension: format!("{:.3} MB", mb(extension)),
        floor: format!("{:.3} MB", mb(floor)),
        ratio: Some(mb(extension) / mb(floor)),
        target: format!("≤ {target_mb} MB"),
        is_met: Some(mb(extension) <= target_mb),
    });
}

fn deflated(file: &std::path::Path) -> Outcome<u64> {
    let output = Command::new("python3")
        .args(["-c", DEFLATE])
        .arg(file)
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}
