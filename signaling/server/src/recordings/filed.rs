//! What was made of a recording, under the names it was asked for with.

use std::collections::BTreeSet;

use sluice_recordings::{ObjectPath, Product, RecordingId};

use super::folder;
use super::kept::KeptFile;

/// Something that was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filed {
    pub(super) product: Product,
    /// Its files: the name in the recording's directory, and that which was asked for. The product is known by the
    /// first, and by the second where it has two playlists.
    pub(super) names: Vec<(String, String)>,
}

impl Filed {
    /// One file of the recording's directory.
    pub(super) fn file(id: &RecordingId, file: &KeptFile, duration_ms: u64, name: ObjectPath) -> Self {
        Self {
            names: vec![(file.name.clone(), name.to_string())],
            product: Product::File { name, location: folder::location(id, &file.name), bytes: file.bytes, duration_ms },
        }
    }
}

/// What several outputs asked for alike is there once, and no two files have one name: the others are numbered.
pub(super) fn distinct(made: Vec<Filed>) -> Vec<Filed> {
    let (mut known, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let mut distinct = Vec::new();
    for mut filed in made {
        if !known.insert(filed.names.clone()) {
            continue;
        }
        if let (Product::File { name, .. }, [(_, asked)]) = (&mut filed.product, filed.names.as_mut_slice()) {
            let numbered = (2..).map(|number| name.numbered(number));
            // As many are taken as there are files before it: one is free.
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
            if let Some(free) = free {
                *asked = free.to_string();
                name.clone_from(&free);
                taken.insert(free);
            }
        }
        distinct.push(filed);
    }
    distinct
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sluice_recordings::{Facts, Template, UnixSeconds};

    use super::*;

    fn filed(file: &str, name: &str) -> Filed {
        let facts = Facts {
            room_name: "",
            room_id: "",
            time: UnixSeconds(0),
            publisher_identity: "",
            track_id: "",
            track_type: "",
            track_source: "",
        };
        let (ending, kept) = (file.rsplit_once('.').unwrap().1, KeptFile { name: file.to_owned(), bytes: 1 });
        let name = Template::parse(name, "").unwrap().fill(&facts, &format!(".{ending}"));
        Filed::file(&RecordingId::from_random([0; 12]), &kept, 1, name)
    }

    #[test]
    fn outputs_that_ask_for_the_same_have_it_once_and_no_two_files_have_one_name() {
        let made = [
            ("composite-grid.mp4", "calls/math"),
            ("composite-grid.mp4", "calls/math"),
            ("composite-grid.mp4", "calls/copy"),
            ("track-1.webm", "calls/math"),
            ("track-2.webm", "calls/math"),
            ("track-3.webm", "calls/math"),
            ("track-2.webm", "calls/math"),
        ];
        let made = distinct(made.into_iter().map(|(file, name)| filed(file, name)).collect());
        let names: Vec<_> = made
            .iter()
            .map(|filed| {
                let Product::File { name, .. } = &filed.product else { return ("", "") };
                let [(file, asked)] = filed.names.as_slice() else { return ("", "") };
                assert_eq!(name.as_str(), asked);
                (file.as_str(), asked.as_str())
            })
            .collect();
        let expected = [
            ("composite-grid.mp4", "calls/math.mp4"),
            ("composite-grid.mp4", "calls/copy.mp4"),
            ("track-1.webm", "calls/math.webm"),
            ("track-2.webm", "calls/math-2.webm"),
            ("track-3.webm", "calls/math-3.webm"),
        ];
        assert_eq!(names, expected);
    }
}
