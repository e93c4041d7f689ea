//! Requests as they may be shown: without keys, passwords and addresses that are one.
//!
//! Every field of LiveKit's requests that can hold a secret is named here, whether we can use it or not.

#![expect(deprecated, reason = "older clients fill the deprecated outputs")]

use livekit_protocol as proto;
use proto::egress_info;

use crate::{Secret, StreamUrl};

/// The request as it came, without its secrets: answers show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request(egress_info::Request);

impl Request {
    /// Takes out of a request what nobody may read again.
    #[must_use]
    pub fn without_secrets(mut request: egress_info::Request) -> Self {
        hide_in_request(&mut request);
        Self(request)
    }

    /// What is left of it.
    #[must_use]
    pub const fn shown(&self) -> &egress_info::Request {
        &self.0
    }
}

/// Where files go is said in an `enum` of its own in each message, with the same variants.
macro_rules! hide_storage {
    ($kind:path, $storage:expr) => {{
        use $kind as Kept;
        match $storage {
            Some(Kept::S3(s3)) => hide_s3(s3),
            Some(Kept::Gcp(gcp)) => hide_gcp(gcp),
            Some(Kept::Azure(azure)) => hide_azure(azure),
            Some(Kept::AliOss(ali)) => hide_ali(ali),
            None => {}
        }
    }};
}

/// The one output of older clients, likewise.
macro_rules! hide_old_output {
    ($kind:path, $request:ident) => {{
        use $kind as Output;
        match &mut $request.output {
            Some(Output::File(file)) => hide_in_file(file),
            Some(Output::Stream(stream)) => hide_in_stream(stream),
            Some(Output::Segments(segments)) => hide_in_segments(segments),
            None => {}
        }
    }};
}

/// What requests of one kind of source each have in lists.
macro_rules! hide_in_lists {
    ($request:ident) => {{
        $request.file_outputs.iter_mut().for_each(hide_in_file);
        $request.stream_outputs.iter_mut().for_each(hide_in_stream);
        $request.segment_outputs.iter_mut().for_each(hide_in_segments);
        $request.image_outputs.iter_mut().for_each(hide_in_images);
        hide_in_webhooks(&mut $request.webhooks);
    }};
}

/// What requests for all kinds of sources have.
macro_rules! hide_in_any {
    ($request:ident) => {{
        $request.storage.iter_mut().for_each(hide_in_storage);
        hide_in_outputs(&mut $request.outputs);
        hide_in_webhooks(&mut $request.webhooks);
    }};
}

fn hide_in_request(request: &mut egress_info::Request) {
    use egress_info::Request as R;
    match request {
        R::Egress(request) => hide_in_any!(request),
        R::Replay(request) => hide_in_any!(request),
        R::RoomComposite(request) => {
            hide_old_output!(proto::room_composite_egress_request::Output, request);
            hide_in_lists!(request);
        }
        R::Web(request) => {
            hide_old_output!(proto::web_egress_request::Output, request);
            hide_in_lists!(request);
        }
        R::Participant(request) => hide_in_lists!(request),
        R::TrackComposite(request) => {
            hide_old_output!(proto::track_composite_egress_request::Output, request);
            hide_in_lists!(request);
        }
        R::Track(request) => {
            use proto::track_egress_request::Output as O;
            match &mut request.output {
                Some(O::File(file)) => hide_storage!(proto::direct_file_output::Output, &mut file.output),
                Some(O::WebsocketUrl(url)) => hide_address(url),
                None => {}
            }
            hide_in_webhooks(&mut request.webhooks);
        }
    }
}

fn hide_in_outputs(outputs: &mut [proto::Output]) {
    use proto::output::Config;
    for output in outputs {
        output.storage.iter_mut().for_each(hide_in_storage);
        match &mut output.config {
            Some(Config::Stream(stream)) => hide_in_stream(stream),
            Some(Config::Segments(segments)) => hide_in_segments(segments),
            Some(Config::Images(images)) => hide_in_images(images),
            Some(Config::File(_)) | None => {}
        }
    }
}

fn hide_in_file(file: &mut proto::EncodedFileOutput) {
    hide_storage!(proto::encoded_file_output::Output, &mut file.output);
}

fn hide_in_segments(segments: &mut proto::SegmentedFileOutput) {
    hide_storage!(proto::segmented_file_output::Output, &mut segments.output);
}

fn hide_in_images(images: &mut proto::ImageOutput) {
    hide_storage!(proto::image_output::Output, &mut images.output);
}

fn hide_in_storage(storage: &mut proto::StorageConfig) {
    hide_storage!(proto::storage_config::Provider, &mut storage.provider);
}

fn hide_in_stream(stream: &mut proto::StreamOutput) {
    stream.urls.iter_mut().for_each(hide_address);
}

/// An address that is none of ours may hold anything.
fn hide_address(url: &mut String) {
    *url = StreamUrl::parse(url).map_or_else(|_| Secret::HIDDEN.to_owned(), |url| url.shown());
}

/// A receiver's key is named, not shown; paths and queries of its address may be secrets.
fn hide_in_webhooks(webhooks: &mut [proto::WebhookConfig]) {
    for webhook in webhooks {
        let origin_end = webhook
            .url
            .find("://")
            .and_then(|at| webhook.url.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
        if let Some(end) = origin_end {
            webhook.url.replace_range(end.., &format!("/{}", Secret::HIDDEN));
        }
        hide(&mut webhook.signing_key);
    }
}

fn hide_s3(s3: &mut proto::S3Upload) {
    for secret in [
        &mut s3.access_key,
        &mut s3.secret,
        &mut s3.session_token,
        &mut s3.assume_role_arn,
        &mut s3.assume_role_external_id,
    ] {
        hide(secret);
    }
    if let Some(proxy) = &mut s3.proxy {
        hide(&mut proxy.url);
        hide(&mut proxy.username);
        hide(&mut proxy.password);
    }
}

fn hide_gcp(gcp: &mut proto::GcpUpload) {
    hide(&mut gcp.credentials);
    if let Some(proxy) = &mut gcp.proxy {
        hide(&mut proxy.url);
        hide(&mut proxy.username);
        hide(&mut proxy.password);
    }
}

fn hide_azure(azure: &mut proto::AzureBlobUpload) {
    hide(&mut azure.account_key);
}

fn hide_ali(ali: &mut proto::AliOssUpload) {
    hide(&mut ali.access_key);
    hide(&mut ali.secret);
}

fn hide(secret: &mut String) {
    if !secret.is_empty() {
        Secret::HIDDEN.clone_into(secret);
    }
}
