//! One file, one bucket, and all that can go wrong between them.

use std::time::Duration;

use tokio::time::Instant;

use super::bucket::{Bucket, Fault, SECRET, file, tries};
use crate::{LONGEST_LIFE, ObjectKey, Patience, S3Settings, ShelfError, Trouble};

/// More than a part.
const LARGE: usize = (8 << 20) + 70_001;

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_put_is_there_until_it_is_taken_away() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let shelf = bucket.shelf();
    for (name, bytes) in [("empty", 0), ("calls/Team call #1, ü%.webm", 5000), ("large.webm", LARGE)] {
        let (path, content) = file(&folder, "a", bytes);
        let stored = shelf.put_file(&key(name), &path, "video/webm").await.unwrap();
        assert_eq!((stored.bytes, stored.key.as_str()), (bytes as u64, name));
        assert!(bucket.object(name).unwrap() == content, "{name}");
    }
    let asked = bucket.asked();
    // One each for the small ones; begin, two parts and end for the large one; and a look at each.
    assert_eq!(asked.len(), 2 + 4 + 3, "{asked:?}");

    let (_, content) = file(&folder, "a", LARGE);
    assert_eq!(shelf.read(&key("large.webm"), 5..15).await.unwrap(), content[5..15]);
    assert_eq!(shelf.read(&key("large.webm"), 0..u64::MAX).await.unwrap().len(), 8 << 20);
    for _ in 0..2 {
        shelf.delete(&key("large.webm")).await.unwrap();
        assert_eq!(bucket.object("large.webm"), None);
    }
    assert!(matches!(shelf.read(&key("large.webm"), 0..1).await, Err(ShelfError::NoObject)));
}

#[tokio::test(start_paused = true)]
async fn it_arrives_whole_whichever_request_breaks_however() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, content) = file(&folder, "a", LARGE);
    let faults = [
        Fault::Connect,
        Fault::Hang,
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(429, "TooManyRequests"),
        Fault::Cut,
        Fault::LostAnswer,
        Fault::OtherEtag,
    ];
    // Begin, part, part, end, look.
    for at in 0..5 {
        for fault in faults {
            bucket.fail((0..at).map(|_| Fault::None).chain([fault]));
            let name = format!("{at}");
            let stored = bucket.shelf().put_file(&key(&name), &path, "video/webm").await.unwrap_or_else(|error| {
                panic!("request {at}, {fault:?}: {error}");
            });
            assert!(bucket.object(&name).unwrap() == content, "request {at}, {fault:?}");
            assert_eq!(stored.sha256.len(), 64);
            assert!(bucket.asked().len() >= 5);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_changes_on_the_way_is_refused_and_sent_again() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    for (bytes, faults) in
        [(5000, vec![Fault::ChangedUp]), (LARGE, vec![Fault::None, Fault::ChangedUp, Fault::ChangedUp])]
    {
        let (path, content) = file(&folder, "a", bytes);
        bucket.fail(faults);
        bucket.shelf().put_file(&key("a"), &path, "video/webm").await.unwrap();
        assert!(bucket.object("a").unwrap() == content);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_whose_etags_say_nothing_is_read_back() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, content) = file(&folder, "a", 5000);
    // Put, look, read.
    bucket.fail([Fault::None, Fault::OtherEtag, Fault::None]);
    bucket.shelf().put_file(&key("a"), &path, "video/webm").await.unwrap();
    assert_eq!(bucket.asked(), ["PUT /calls/a", "HEAD /calls/a", "GET /calls/a"]);

    // It holds something else once: it is sent again.
    bucket.fail([Fault::None, Fault::OtherEtag, Fault::ChangedDown]);
    bucket.shelf().put_file(&key("a"), &path, "video/webm").await.unwrap();
    assert_eq!(bucket.asked().len(), 5);
    assert!(bucket.object("a").unwrap() == content);

    // It always does: that is said.
    bucket.fail((0..3).flat_map(|_| [Fault::None, Fault::OtherEtag, Fault::ChangedDown]));
    let outcome = bucket.shelf().put_file(&key("a"), &path, "video/webm").await;
    assert!(matches!(outcome, Err(ShelfError::Corrupt)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_stands_still_while_it_is_read_back_is_asked_again_soon() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, _) = file(&folder, "a", LARGE);
    // Begin, two parts, end; look, read.
    bucket.fail([Fault::None; 4].into_iter().chain([Fault::OtherEtag, Fault::Stall]));
    let began = Instant::now();
    bucket.shelf().put_file(&key("a"), &path, "video/webm").await.unwrap();
    assert_eq!(bucket.asked().iter().filter(|asked| *asked == "GET /calls/a").count(), 2);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "others waited for it for {took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_upload_the_bucket_forgot_begins_anew() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, content) = file(&folder, "a", LARGE);
    bucket.fail([Fault::None, Fault::None, Fault::Status(404, "NoSuchUpload")]);
    bucket.shelf().put_file(&key("a"), &path, "video/webm").await.unwrap();
    assert!(bucket.object("a").unwrap() == content);
    let deleted = |asked: &String| asked.starts_with("DELETE");
    assert_eq!(bucket.asked().iter().filter(|asked| deleted(asked)).count(), 1, "what was there of it is given up");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_not_taken_in() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, content) = file(&folder, "a", LARGE);
    bucket.fail_always(Some(Fault::Verbose));
    let outcome = bucket.shelf().put_file(&key("a"), &path, "video/webm").await;
    assert!(matches!(outcome, Err(ShelfError::Unavailable(Trouble::Interrupted))), "{outcome:?}");
    // What is read is as long as it is.
    bucket.fail_always(None);
    bucket.shelf().put_file(&key("a"), &path, "video/webm").await.unwrap();
    assert!(bucket.shelf().read(&key("a"), 0..1 << 20).await.unwrap() == content[..1 << 20]);
}

#[tokio::test(start_paused = true)]
async fn patience_ends_when_it_is_spent() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, _) = file(&folder, "a", 5000);
    bucket.fail_always(Some(Fault::Hang));
    let outcome = bucket.shelf().put_file(&key("a"), &path, "video/webm").await;
    assert!(matches!(outcome, Err(ShelfError::Unavailable(Trouble::Timeout))), "{outcome:?}");
    bucket.fail_always(Some(Fault::Status(503, "SlowDown")));
    let outcome = bucket.shelf().put_file(&key("a"), &path, "video/webm").await;
    assert!(matches!(outcome, Err(ShelfError::Unavailable(Trouble::Status(503)))), "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("Signature"));
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_why_and_nothing_else() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, _) = file(&folder, "a", 5000);
    let put = async |settings: S3Settings| {
        let shelf = bucket.open(settings, tries()).unwrap();
        shelf.put_file(&key("a"), &path, "video/webm").await.unwrap_err()
    };
    let wrong = "wrong-and-secret-too";
    let denied = put(S3Settings { secret_key: wrong.to_owned().into(), ..bucket.settings() }).await;
    assert!(matches!(&denied, ShelfError::Denied { status: 403, code: Some(_) }), "{denied:?}");
    assert_eq!(denied.to_string(), "the bucket does not let these keys in (403 SignatureDoesNotMatch)");
    assert_eq!(bucket.asked().len(), 1, "it is not tried again");
    let unknown = put(S3Settings { access_key: "AKIDNOBODY".to_owned().into(), ..bucket.settings() }).await;
    assert!(matches!(&unknown, ShelfError::Denied { .. }), "{unknown:?}");
    bucket.fail([Fault::Status(404, "NoSuchBucket")]);
    let nowhere = put(bucket.settings()).await;
    assert!(matches!(&nowhere, ShelfError::NoBucket), "{nowhere:?}");
    for error in [denied, unknown, nowhere] {
        let text = format!("{error} {error:?}");
        assert!(![wrong, SECRET, "AKID", "Signature=", "http"].iter().any(|word| text.contains(word)), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_is_not_put() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let outcome = bucket.shelf().put_file(&key("a"), &folder.path().join("nothing"), "video/webm").await;
    assert!(matches!(outcome, Err(ShelfError::Local(_))), "{outcome:?}");
    assert_eq!(bucket.asked().len(), 0);
}

#[tokio::test]
async fn signed_addresses_live_five_minutes_at_most() {
    let shelf = Bucket::new().shelf();
    for life in [Duration::ZERO, LONGEST_LIFE + Duration::from_secs(1), Duration::MAX] {
        assert!(matches!(shelf.presign(&key("a"), life).await, Err(ShelfError::Life)));
    }
    let signed = shelf.presign(&key("a"), LONGEST_LIFE).await.unwrap();
    assert!(signed.reveal().starts_with("http://bucket.test/calls/a?") && !signed.reveal().contains(SECRET));
    assert!(signed.reveal().contains("X-Amz-Expires=300"));
    assert!(!format!("{signed:?}").contains("Signature"));
}

#[tokio::test(start_paused = true)]
async fn a_text_takes_the_place_of_the_one_before() {
    let bucket = Bucket::new();
    let shelf = bucket.shelf();
    bucket.fail([Fault::Status(503, "SlowDown"), Fault::ChangedUp]);
    for text in ["#EXTM3U\n", "#EXTM3U\n#EXT-X-ENDLIST\n"] {
        shelf
            .put_text(&key("a/call.m3u8"), text.to_owned(), "application/vnd.apple.mpegurl")
            .await
            .unwrap();
        assert_eq!(bucket.object("a/call.m3u8").unwrap(), text.as_bytes());
    }
    assert_eq!(bucket.asked().len(), 3, "one did not come so far, one was changed on its way");

    let once = shelf.with_patience(Patience::ONCE);
    bucket.fail([Fault::Hang]);
    let outcome = once.put_text(&key("a"), String::new(), "text/plain").await;
    assert!(matches!(outcome, Err(ShelfError::Unavailable(Trouble::Timeout))), "{outcome:?}");
}
