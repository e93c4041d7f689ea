//! Which worker's socket the kernel hands a datagram of the shared port to: a table of flows, written as a program of
//! classic BPF, which needs no privilege.
//!
//! A connectivity check goes by the worker's code in its user name. Everything else goes by where it comes from: the
//! source's address and port are hashed to one of some thousand buckets, and each bucket is the worker's whose client
//! was there last. The program is written anew when buckets have changed. Two clients of different workers may meet
//! in one bucket: the one that came later is then handed on from worker to worker, as is everything before the
//! program knows it (see [`crate::strays`]). So nothing here has to be right, only mostly right.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sluice_core::WorkerId;
use sluice_net::Instruction;

/// A client that did not check its path for so long has left its bucket to others.
const LIFETIME_S: u32 = 15;

/// Words of the table, from the most that a program may have room for (4096 instructions, and a bound on memory that
/// older kernels set lower) to few.
pub(crate) const WORDS: [usize; 3] = [1024, 512, 128];

// Where things are. Negative offsets count from the network header, on the assumption that it has no options: where
// it has, the hash is a bad one, and the datagram is handed on.
const NETWORK: u32 = 0xfff0_0000;
const IPV4_SOURCE: u32 = NETWORK + 12;
const IPV4_PORT: u32 = NETWORK + 20;
const IPV6_SOURCE: u32 = NETWORK + 8;
const IPV6_PORT: u32 = NETWORK + 40;

// A connectivity check whose first attribute is the user name, as browsers write it.
const BINDING_REQUEST: u32 = 0x0001;
const MAGIC_COOKIE: u32 = 0x2112_a442;
const USERNAME: u32 = 0x0006;
const USERNAME_AT: u32 = 20;
const LETTERS_AT: u32 = 24;

// Classic BPF (linux/filter.h): class, size or operation, mode or operand.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_IMMEDIATE: u16 = 0x00;
const LOAD_MEMORY: u16 = 0x60;
const STORE: u16 = 0x02;
const AND: u16 = 0x54;
const SUBTRACT: u16 = 0x14;
const MULTIPLY: u16 = 0x24;
const SHIFT_LEFT: u16 = 0x64;
const SHIFT_RIGHT: u16 = 0x74;
const SHIFT_RIGHT_X: u16 = 0x7c;
const OR_X: u16 = 0x4c;
const XOR_X: u16 = 0xac;
const TO_X: u16 = 0x07;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN_A: u16 = 0x16;

/// How flows are hashed. Secret, so that nobody can fill a bucket on purpose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key(pub(crate) [u32; 2]);

impl Key {
    /// Of a source; the program does the same.
    fn hash(self, source: SocketAddr) -> u32 {
        let [first, second] = self.multipliers();
        let folded = match source.ip() {
            IpAddr::V4(ip) => u32::from(ip),
            IpAddr::V6(ip) => {
                let bits = u128::from(ip).to_be_bytes();
                bits.chunks_exact(4).fold(0, |folded: u32, word| {
                    folded.wrapping_mul(first) ^ u32::from_be_bytes([word[0], word[1], word[2], word[3]])
                })
            }
        };
        (folded.wrapping_mul(first) ^ u32::from(source.port())).wrapping_mul(second)
    }

    fn multipliers(self) -> [u32; 2] {
        self.0.map(|word| word | 1)
    }
}

/// Whose client was last seen in each bucket.
pub(crate) struct Buckets {
    key: Key,
    workers: u32,
    /// Log2 of the bits of a worker.
    bits: u32,
    /// Seconds in the upper 24 bits, worker and one in the lower 8; nought: nobody yet. As many as the largest table.
    places: Box<[AtomicU32]>,
    has_changed: AtomicBool,
}

impl Buckets {
    /// For so many workers, at most 255.
    pub(crate) fn new(workers: u8, key: Key) -> Self {
        // 1, 2, 4 or 8 bits for a worker: so many that none lies across two words.
        let bits = u32::from(workers.max(2))
            .next_power_of_two()
            .trailing_zeros()
            .next_power_of_two()
            .trailing_zeros();
        let count = WORDS[0] << (5 - bits);
        Self {
            key,
            workers: u32::from(workers),
            bits,
            places: (0..count).map(|_| AtomicU32::new(0)).collect(),
            has_changed: AtomicBool::new(true),
        }
    }

    /// A worker's client is there. Who came first keeps the bucket while it is there.
    pub(crate) fn note(&self, source: SocketAddr, worker: WorkerId, now_s: u64) {
        let seconds = u32::try_from(now_s & 0xff_ffff).unwrap_or(0);
        let place = &self.places[self.bucket(source, WORDS[0])];
        let value = place.load(Ordering::Relaxed);
        let owner = u32::from(worker.0) + 1;
        let age = seconds.wrapping_sub(value >> 8) & 0xff_ffff;
        if value & 0xff == owner || value == 0 || age > LIFETIME_S {
            place.store(seconds << 8 | owner, Ordering::Relaxed);
            if value & 0xff != owner {
                self.has_changed.store(true, Ordering::Release);
            }
        }
    }

    /// True once after a change.
    pub(crate) fn take_change(&self) -> bool {
        self.has_changed.swap(false, Ordering::Acquire)
    }

    /// The program has to be written anew.
    pub(crate) fn change(&self) {
        self.has_changed.store(true, Ordering::Release);
    }

    fn bucket(&self, source: SocketAddr, words: usize) -> usize {
        let shift = 32 - (words.trailing_zeros() + 5 - self.bits);
        usize::try_from(self.key.hash(source) >> shift).unwrap_or(0)
    }

    /// The program that knows all this, with a table of so many words. `lives` says which workers do: buckets of
    /// nobody go to them by turns.
    pub(crate) fn program(&self, is_ipv4: bool, words: usize, lives: impl Fn(WorkerId) -> bool) -> Vec<Instruction> {
        let table = self.table(words, lives);
        let mut program = Program(Vec::new());
        program.check(self.workers);
        program.hash(self.key, is_ipv4);
        // The word's number stays in A, the place in the word goes to X.
        let places = 5 - self.bits;
        program.push(SHIFT_RIGHT, 32 - (words.trailing_zeros() + places));
        program.push(STORE, 0);
        program.push(AND, (1 << places) - 1);
        program.push(SHIFT_LEFT, self.bits);
        program.push(TO_X, 0);
        program.push(LOAD_MEMORY, 0);
        program.push(SHIFT_RIGHT, places);
        program.look_up(&table, (1 << (1 << self.bits)) - 1);
        program.0
    }

    /// Worker for worker, packed into words.
    fn table(&self, words: usize, lives: impl Fn(WorkerId) -> bool) -> Vec<u32> {
        let alive: Vec<u32> = (0..self.workers)
            .filter(|worker| u8::try_from(*worker).is_ok_and(|worker| lives(WorkerId(worker))))
            .collect();
        // A smaller table has a bucket for several places of the large one: the first that somebody is in.
        let fold = WORDS[0] / words;
        let mut turns = alive.iter().copied().cycle();
        let mut table = vec![0; words];
        for (bucket, places) in self.places.chunks(fold).enumerate() {
            let owner = places
                .iter()
                .map(|place| place.load(Ordering::Relaxed) & 0xff)
                .filter(|owner| *owner > 0)
                .map(|owner| owner - 1)
                .find(|owner| alive.contains(owner));
            let worker = owner.or_else(|| turns.next()).unwrap_or(0);
            let per_word = 32 >> self.bits;
            let shift = u32::try_from(bucket % per_word).unwrap_or(0) << self.bits;
            table[bucket / per_word] |= worker << shift;
        }
        table
    }
}

/// A program as it is written.
struct Program(Vec<Instruction>);

impl Program {
    fn push(&mut self, code: u16, value: u32) {
        self.0.push(Instruction { code, jump_true: 0, jump_false: 0, value });
    }

    /// Goes on when it holds, and skips so many instructions when it does not.
    fn unless(&mut self, code: u16, value: u32, skip: u8) {
        self.0.push(Instruction { code, jump_true: 0, jump_false: skip, value });
    }

    /// A connectivity check goes to the worker named in it.
    fn check(&mut self, workers: u32) {
        self.push(LOAD_HALF, 0);
        self.unless(JUMP_EQUAL, BINDING_REQUEST, 15);
        self.push(LOAD_WORD, 4);
        self.unless(JUMP_EQUAL, MAGIC_COOKIE, 13);
        self.push(LOAD_HALF, USERNAME_AT);
        self.unless(JUMP_EQUAL, USERNAME, 11);
        self.push(LOAD_BYTE, LETTERS_AT);
        self.push(SUBTRACT, u32::from(b'A'));
        self.push(AND, 0xf);
        self.push(SHIFT_LEFT, 4);
        self.push(TO_X, 0);
        self.push(LOAD_BYTE, LETTERS_AT + 1);
        self.push(SUBTRACT, u32::from(b'A'));
        self.push(AND, 0xf);
        self.push(OR_X, 0);
        self.0
            .push(Instruction { code: JUMP_AT_LEAST, jump_true: 1, jump_false: 0, value: workers });
        self.push(RETURN_A, 0);
    }

    fn hash(&mut self, key: Key, is_ipv4: bool) {
        let [first, second] = key.multipliers();
        let (words, port): (&[u32], u32) = if is_ipv4 {
            (&[IPV4_SOURCE], IPV4_PORT)
        } else {
            (&[IPV6_SOURCE, IPV6_SOURCE + 4, IPV6_SOURCE + 8, IPV6_SOURCE + 12], IPV6_PORT)
        };
        for (index, word) in words.iter().enumerate() {
            self.push(LOAD_WORD, *word);
            if index > 0 {
                self.push(XOR_X, 0);
            }
            self.push(MULTIPLY, first);
            self.push(TO_X, 0);
        }
        self.push(LOAD_HALF, port);
        self.push(XOR_X, 0);
        self.push(MULTIPLY, second);
    }

    /// Finds the word whose number is in A, and in it the worker at bit X.
    fn look_up(&mut self, table: &[u32], mask: u32) {
        let end = self.0.len() + search_len(table.len());
        self.search(0, table, end);
        self.push(SHIFT_RIGHT_X, 0);
        self.push(AND, mask);
        self.push(RETURN_A, 0);
    }

    /// Loads the word, and goes to the end.
    fn search(&mut self, first: u32, table: &[u32], end: usize) {
        if let [word] = table {
            self.push(LOAD_IMMEDIATE, *word);
            self.jump(end - self.0.len() - 1);
            return;
        }
        let (low, high) = table.split_at(table.len() / 2);
        let middle = first + u32::try_from(low.len()).unwrap_or(u32::MAX);
        let skipped = search_len(low.len());
        // A conditional jump reaches 255 instructions, another any number.
        if let Ok(jump_true) = u8::try_from(skipped) {
            self.0.push(Instruction { code: JUMP_AT_LEAST, jump_true, jump_false: 0, value: middle });
        } else {
            self.unless(JUMP_AT_LEAST, middle, 1);
            self.jump(skipped);
        }
        self.search(first, low, end);
        self.search(middle, high, end);
    }

    fn jump(&mut self, skipped: usize) {
        self.push(JUMP, u32::try_from(skipped).unwrap_or(u32::MAX));
    }
}

/// Instructions of a search among so many words.
fn search_len(words: usize) -> usize {
    if words < 2 {
        return 2;
    }
    let low = search_len(words / 2);
    1 + usize::from(low > 255) + low + search_len(words - words / 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
    use std::time::Duration;

    use sluice_net::{UdpOptions, UdpPorts};

    use super::*;

    const KEY: Key = Key([0x9e37_79b9, 0x85eb_ca6b]);

    fn check(code: u8) -> Vec<u8> {
        let mut message = vec![0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        message.extend([0x00, 0x06, 0, 12]);
        message.extend(WorkerId(code).letters());
        message.extend(*b"xyzuvw:abc");
        message
    }

    /// Sockets that share a port, and how many datagrams came to each.
    struct Shared(Vec<UdpPorts>);

    impl Shared {
        fn bind(count: u8, address: IpAddr) -> Option<Self> {
            let options = UdpOptions { shares_port: true, ..UdpOptions::default() };
            let first = UdpPorts::bind(&[SocketAddr::new(address, 0)], options).ok()?;
            let local = first.local_addresses().next().unwrap();
            let others = (1..count).map(|_| UdpPorts::bind(&[local], options).unwrap());
            let mut all = vec![first];
            all.extend(others);
            Some(Self(all))
        }

        fn local(&self) -> SocketAddr {
            self.0[0].local_addresses().next().unwrap()
        }

        /// To which socket did the next datagram come?
        fn arrival(&mut self) -> u8 {
            loop {
                for (index, ports) in self.0.iter_mut().enumerate() {
                    let mut came = false;
                    ports.wait(Some(Duration::ZERO)).unwrap();
                    ports.receive(|_| came = true);
                    if came {
                        return u8::try_from(index).unwrap();
                    }
                }
            }
        }
    }

    fn tell(workers: u8, address: IpAddr, words: usize) {
        let Some(mut shared) = Shared::bind(workers, address) else { return };
        let local = shared.local();
        let buckets = Buckets::new(workers, KEY);
        let clients: Vec<UdpSocket> = (0..40).map(|_| UdpSocket::bind((address, 0)).unwrap()).collect();
        // Everybody's first check goes to its worker before anything is known of it.
        let hold = shared.0[0].hold().unwrap();
        hold.steer(address.is_ipv4(), &buckets.program(address.is_ipv4(), words, |_| true))
            .unwrap();
        let owner = |index: usize| u8::try_from(index % usize::from(workers)).unwrap();
        for (index, client) in clients.iter().enumerate() {
            client.send_to(&check(owner(index)), local).unwrap();
            assert_eq!(shared.arrival(), owner(index), "check of client {index}");
            buckets.note(client.local_addr().unwrap(), WorkerId(owner(index)), 1);
        }
        assert!(buckets.take_change() && !buckets.take_change());
        hold.steer(address.is_ipv4(), &buckets.program(address.is_ipv4(), words, |_| true))
            .unwrap();
        let mut astray = 0;
        for (index, client) in clients.iter().enumerate() {
            for datagram in [&[0x80; 100][..], &[22, 254, 253], &[0]] {
                client.send_to(datagram, local).unwrap();
                let arrival = shared.arrival();
                let bucket = buckets.bucket(client.local_addr().unwrap(), words);
                let alone = clients.iter().enumerate().all(|(i, other)| {
                    owner(i) == owner(index) || buckets.bucket(other.local_addr().unwrap(), words) != bucket
                });
                // Too short for the filter to see that it is no check.
                if alone && datagram.len() > 1 {
                    assert_eq!(arrival, owner(index), "media of client {index}, {workers} workers, {words} words");
                }
                astray += usize::from(!alone);
            }
        }
        assert!(astray <= 30, "{astray} of 120 astray");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_hands_clients_to_their_workers() {
        for words in WORDS {
            for workers in [2, 3, 16] {
                tell(workers, Ipv4Addr::LOCALHOST.into(), words);
                tell(workers, Ipv6Addr::LOCALHOST.into(), words);
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn strangers_go_to_workers_that_live() {
        let mut shared = Shared::bind(4, Ipv4Addr::LOCALHOST.into()).unwrap();
        let buckets = Buckets::new(4, KEY);
        let hold = shared.0[0].hold().unwrap();
        hold.steer(true, &buckets.program(true, WORDS[0], |worker| worker.0 != 2)).unwrap();
        let mut reached = [0; 4];
        for _ in 0..200 {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            client.send_to(&[0x80; 20], shared.local()).unwrap();
            reached[usize::from(shared.arrival())] += 1;
        }
        assert_eq!(reached[2], 0);
        assert!([0, 1, 3].iter().all(|worker| reached[*worker] > 20), "{reached:?}");
    }

    #[test]
    fn who_came_first_keeps_its_bucket_while_it_is_there() {
        let buckets = Buckets::new(2, KEY);
        let source = SocketAddr::from(([10, 0, 0, 1], 5000));
        let owner = |buckets: &Buckets| buckets.places[buckets.bucket(source, WORDS[0])].load(Ordering::Relaxed) & 0xff;
        buckets.take_change();
        buckets.note(source, WorkerId(1), 10);
        assert!(buckets.take_change());
        buckets.note(source, WorkerId(0), 12);
        assert_eq!((owner(&buckets), buckets.take_change()), (2, false));
        buckets.note(source, WorkerId(0), 30);
        assert_eq!((owner(&buckets), buckets.take_change()), (1, true));
    }

    #[test]
    fn no_program_is_longer_than_the_kernel_takes() {
        for workers in [2, 255] {
            let buckets = Buckets::new(workers, KEY);
            let lens = WORDS.map(|words| buckets.program(false, words, |_| true).len());
            // The second has to fit into 20 KiB, which is what kernels before 6.9 allow.
            assert!(lens[0] <= 4096 && lens[1] * 8 + 100 <= 20_480, "{lens:?}");
        }
    }
}
