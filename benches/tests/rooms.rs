//! The room of ours and the room on plain str0m serve the same people.
#![allow(missing_docs, reason = "tests")]

use sluice_benches::measure::Effort;
use sluice_benches::rooms::{Ours, Plain, Room, Shape};

#[test]
fn the_same_people_get_the_same_packets_in_both_rooms() {
    for shape in [Shape::camera_for(1), Shape::camera_for(3), Shape::meeting_of(3)] {
        let ours = Room::<Ours>::open(shape).measure(Effort::ONCE).delivered;
        assert!(ours.values().all(|numbers| !numbers.is_empty()));
        assert_eq!(ours, Room::<Plain<false>>::open(shape).measure(Effort::ONCE).delivered, "{shape:?}");
        assert_eq!(ours, Room::<Plain<true>>::open(shape).measure(Effort::ONCE).delivered, "{shape:?}, estimated");
    }
}
