//! What a document said that no attribute could: laid over what the attributes say.

use crate::wire::object::Object;

/// The document with the members of `unsaid`: objects are put into objects, anything else in its place.
pub(super) fn overlaid(document: Vec<u8>, unsaid: &Object<'_>) -> Vec<u8> {
    match std::str::from_utf8(&document) {
        Ok(below) => merged(below, unsaid).into_bytes(),
        Err(_) => document,
    }
}

fn merged(below: &str, above: &Object<'_>) -> String {
    let Some(below) = Object::read(below) else {
        return above.write();
    };
    let mut text = String::from("{");
    for member in &below.members {
        match above.read_value(&member.name) {
            None => member.write(&member.value, &mut text),
            Some(value) => match Object::read(value) {
                Some(inner) => member.write(&merged(&member.value, &inner), &mut text),
                None => member.write(value, &mut text),
            },
        }
    }
    for member in &above.members {
        if below.value(&member.name).is_none() {
            member.write(&member.value, &mut text);
        }
    }
    text.push('}');
    text
}
