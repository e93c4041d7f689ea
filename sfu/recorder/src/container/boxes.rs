//! Boxes of MP4 (ISO/IEC 14496-12 section 4.2), found where they are: what is within one, such as a publisher's parameter
//! sets, may look like any box.
//!
//! Knows the small form only, with a size of 32 bits: no other is written here.

use std::ops::Range;

/// What a box is.
pub(super) type Kind = [u8; 4];

/// Length of a box's head: size and kind.
pub(super) const HEAD: usize = 8;

/// Bodies of the boxes that lead there, from the outermost in, in order.
pub(super) fn find(bytes: &[u8], path: &[Kind]) -> Vec<Range<usize>> {
    let whole = 0..bytes.len();
    path.iter().fold(vec![whole], |outer, kind| {
        let inner = outer.into_iter().flat_map(|body| children(bytes, body));
        inner.filter(|(found, _)| found == kind).map(|(_, body)| body).collect()
    })
}

/// Kinds and bodies of the boxes that lie behind one another there, as far as they are whole.
pub(super) fn children(bytes: &[u8], within: Range<usize>) -> impl Iterator<Item = (Kind, Range<usize>)> {
    let mut at = within.start;
    std::iter::from_fn(move || {
        let (size, rest) = bytes.get(at..within.end)?.split_first_chunk::<4>()?;
        let kind = *rest.first_chunk::<4>()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        let end = at.checked_add(size).filter(|end| size >= HEAD && *end <= within.end)?;
        let body = at + HEAD..end;
        at = end;
        Some((kind, body))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn a_box(kind: Kind, body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(HEAD + body.len()).unwrap_or_default();
        [&size.to_be_bytes()[..], &kind, body].concat()
    }

    #[test]
    fn boxes_are_found_by_where_they_are_and_not_by_what_others_hold() {
        let said = a_box(*b"avcC", &a_box(*b"mehd", b"lies"));
        let extends = a_box(*b"mvex", &a_box(*b"mehd", b"true"));
        let file = [a_box(*b"ftyp", b"mvexmehd"), a_box(*b"moov", &[said, extends].concat())].concat();
        let found = find(&file, &[*b"moov", *b"mvex", *b"mehd"]);
        assert_eq!(found.len(), 1);
        assert_eq!(file.get(found[0].clone()), Some(&b"true"[..]));
        assert!(find(&file, &[*b"mehd"]).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_found_lies_within(bytes: Vec<u8>) {
            for (_, body) in children(&bytes, 0..bytes.len()) {
                prop_assert!(body.start <= body.end && body.end <= bytes.len());
            }
        }
    }
}
