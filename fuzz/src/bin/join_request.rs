//! How a client wants in: the query of `/rtc` and the packed request of `/rtc/v1`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_server::{Query, join_request_v0, join_request_v1};

fuzz_target!(|pairs: Vec<(String, String)>| {
    let mut query: Query = pairs.into_iter().collect();
    let _ = join_request_v0(&query);
    let _ = join_request_v1(&query);
    // Keys the fuzzer would not guess, with its values.
    if let Some(value) = query.values().next().cloned() {
        for key in ["join_request", "attributes", "capabilities", "protocol", "sdk"] {
            query.insert(key.into(), value.clone());
        }
        let _ = join_request_v0(&query);
        let _ = join_request_v1(&query);
    }
});
