//! Which packets of a track a subscriber gets: the mechanism that carries a target layer out.
//!
//! The target comes from outside (demand bounded by what is alive). A switch happens at a packet a decoder
//! can begin with and at no other, so a receiver never sees half of two layers.

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not this subscriber's.
    Drop,
    /// Not this subscriber's, and the target layer must show a key frame first.
    DropAndAsk,
    /// It follows the one before.
    Forward,
    /// It is the first of another source.
    Switch,
}

#[derive(Debug, Default)]
pub(crate) struct Forwarder {
    current: Option<u8>,
}

impl Forwarder {
    /// The layer forwarded now.
    pub(crate) fn current(&self) -> Option<u8> {
        self.current
    }

    /// Stops: the next packet sent will be an entry, whatever came in between.
    pub(crate) fn pause(&mut self) {
        self.current = None;
    }

    /// Decides on a packet of `layer` while `target` is wanted. `is_entry`: a decoder can begin here.
    pub(crate) fn forward(&mut self, layer: u8, is_entry: bool, target: Option<u8>) -> Verdict {
        let Some(target) = target else { return Verdict::Drop };
        if self.current == Some(layer) && layer == target {
            return Verdict::Forward;
        }
        if layer == target {
            if !is_entry {
                return Verdict::DropAndAsk;
            }
            self.current = Some(layer);
            return Verdict::Switch;
        }
        // Until the target shows a key frame the old layer goes on.
        if self.current == Some(layer) { Verdict::Forward } else { Verdict::Drop }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Drop, DropAndAsk, Forward, Switch};
    use super::*;

    #[test]
    fn a_picture_begins_with_a_key_frame_and_asks_for_it() {
        let mut forwarder = Forwarder::default();
        assert_eq!(forwarder.forward(0, false, Some(0)), DropAndAsk);
        assert_eq!(forwarder.forward(0, true, Some(0)), Switch);
        assert_eq!(forwarder.forward(0, false, Some(0)), Forward);
    }

    #[test]
    fn the_old_layer_goes_on_until_the_new_one_can_be_entered() {
        let mut forwarder = Forwarder::default();
        forwarder.forward(2, true, Some(2));
        assert_eq!(forwarder.forward(2, false, Some(0)), Forward);
        assert_eq!(forwarder.forward(0, false, Some(0)), DropAndAsk);
        assert_eq!(forwarder.forward(2, true, Some(0)), Forward, "a key frame of the old layer changes nothing");
        assert_eq!(forwarder.forward(0, true, Some(0)), Switch);
        assert_eq!(forwarder.forward(2, false, Some(0)), Drop);
    }

    #[test]
    fn after_a_pause_the_same_layer_is_entered_anew() {
        let mut forwarder = Forwarder::default();
        forwarder.forward(1, true, Some(1));
        forwarder.pause();
        assert_eq!(forwarder.forward(1, false, Some(1)), DropAndAsk);
        assert_eq!(forwarder.forward(1, true, Some(1)), Switch);
        assert_eq!(forwarder.forward(1, true, None), Drop);
    }
}
