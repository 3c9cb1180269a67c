#![no_main]

use understudy_fuzz::policy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| policy::check(bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    understudy_fuzz::json::mutate(data, size, max_size, seed, policy::WORDS)
});
