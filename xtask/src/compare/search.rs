//! The search for the load at which a server breaks: doubling until it does, then halving the distance a few times.
//!
//! `sluice loadtest --find-capacity` searches more exactly and longer. Here every server has to be done within a
//! minute or two, and what counts is how many times further one goes than another. Knows no server and no clock.

/// What a run under some load came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    Holds,
    Breaks,
    /// It broke while the load tester itself was overloaded: nobody's limit.
    TesterBreaks,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The largest load that held.
    pub(super) holds: Option<u32>,
    /// The smallest load that did not; `None` when the search ended before.
    pub(super) breaks: Option<u32>,
    /// What did not hold was the load tester.
    pub(super) is_testers: bool,
}

/// The distance to the load that breaks is halved so often.
const HALVINGS: u32 = 2;

/// Searches from `first`, never above `most`.
pub(super) fn search<E>(first: u32, most: u32, mut run: impl FnMut(u32) -> Result<Judged, E>) -> Result<Found, E> {
    let mut found = Found { holds: None, breaks: None, is_testers: false };
    let mut load = first;
    let mut halvings = HALVINGS;
    loop {
        match run(load)? {
            Judged::Holds => found.holds = Some(load),
            judged => {
                found.breaks = Some(load);
                found.is_testers = judged == Judged::TesterBreaks;
            }
        }
        let Some(breaks) = found.breaks else {
            if load >= most {
                return Ok(found);
            }
            load = load.saturating_mul(2).min(most);
            continue;
        };
        let holds = found.holds.unwrap_or(0);
        let next = holds + (breaks - holds) / 2;
        // A server that holds nothing yet is worth looking further down.
        if next == holds || (halvings == 0 && holds > 0) {
            return Ok(found);
        }
        halvings = halvings.saturating_sub(1);
        load = next;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn search_for(limit: u32, first: u32, most: u32) -> (Found, Vec<u32>) {
        let mut tried = Vec::new();
        let found = search(first, most, |load| {
            tried.push(load);
            Ok::<_, std::convert::Infallible>(if load <= limit { Judged::Holds } else { Judged::Breaks })
        });
        (found.unwrap(), tried)
    }

    #[test]
    fn it_doubles_and_then_halves() {
        let (found, tried) = search_for(270, 50, 2000);
        assert_eq!(tried, [50, 100, 200, 400, 300, 250]);
        assert_eq!(found, Found { holds: Some(250), breaks: Some(300), is_testers: false });
    }

    #[test]
    fn a_weak_server_is_found_below_the_first_load() {
        let (found, tried) = search_for(5, 50, 2000);
        assert_eq!((found.holds, found.breaks), (Some(3), Some(6)));
        assert_eq!(tried, [50, 25, 12, 6, 3]);
        let (found, _) = search_for(0, 50, 2000);
        assert_eq!((found.holds, found.breaks), (None, Some(1)));
    }

    #[test]
    fn it_goes_no_further_than_told() {
        let (found, tried) = search_for(u32::MAX, 50, 150);
        assert_eq!((found.holds, found.breaks, tried), (Some(150), None, vec![50, 100, 150]));
    }

    #[test]
    fn an_overloaded_load_tester_is_told_apart() {
        let judge =
            |load| Ok::<_, std::convert::Infallible>(if load < 100 { Judged::Holds } else { Judged::TesterBreaks });
        assert!(search(50, 400, judge).unwrap().is_testers);
    }
}
