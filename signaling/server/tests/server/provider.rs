//! A provider of OpenID Connect: it keeps codes, checks who asks and with which verifier, and signs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluice_server::OidcConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const CLIENT: &str = "sluice";
/// With letters that mean something on the way.
const SECRET: &str = "p&r:o%v e";

/// How it signs.
pub(crate) enum Signer {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
}

impl Signer {
    pub(crate) fn rs256() -> Self {
        Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rs256(pair) => {
                // An RSAPublicKey (RFC 8017 appendix A.1.1): heads, a zero, the modulus of 2048 bits, a head, 65537.
                let der = pair.public_key().as_ref();
                let (n, e) = (encode(&der[9..265]), encode(&der[267..]));
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e })
            }
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": encode(&point[1..33]), "y": encode(&point[33..65]) })
            }
        }
    }

    fn sign(&self, id: &str, claims: &Value) -> String {
        let (alg, random) = (if matches!(self, Self::Rs256(_)) { "RS256" } else { "ES256" }, SystemRandom::new());
        let header = json!({ "alg": alg, "kid": id, "typ": "JWT" });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = match self {
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Es256(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What it says of itself and others.
struct Mind {
    signer: Signer,
    key_id: String,
    /// Where it differs from the truth in its configuration.
    metadata: Value,
    /// Codes that are out: what they were asked for with, and whom they vouch for.
    codes: HashMap<String, (HashMap<String, String>, Value)>,
    /// How often its configuration was read.
    read: usize,
}

#[derive(Clone)]
pub(crate) struct IdProvider {
    pub(crate) address: SocketAddr,
    mind: Arc<Mutex<Mind>>,
}

impl IdProvider {
    pub(crate) async fn start(signer: Signer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mind = Mind { signer, key_id: "k1".into(), metadata: json!({}), codes: HashMap::new(), read: 0 };
        let provider = Self { address, mind: Arc::new(Mutex::new(mind)) };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.serve(stream).await;
            }
        });
        provider
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}/realm", self.address)
    }

    pub(crate) fn config(&self) -> OidcConfig {
        OidcConfig {
            issuer: self.issuer(),
            client_id: CLIENT.into(),
            client_secret: Some(SECRET.into()),
            name: "Example ID".into(),
            scopes: vec!["profile".into()],
            roles_claim: None,
            allow_private: true,
        }
    }

    /// From now on another key signs.
    pub(crate) fn change_keys(&self, id: &str, signer: Signer) {
        let mut mind = self.mind.lock().unwrap();
        (mind.key_id, mind.signer) = (id.to_owned(), signer);
    }

    pub(crate) fn say_of_itself(&self, metadata: Value) {
        self.mind.lock().unwrap().metadata = metadata;
    }

    pub(crate) fn times_read(&self) -> usize {
        self.mind.lock().unwrap().read
    }

    /// Somebody signs in at the page that `location` leads to. What it is asked for, and the code they are sent back with;
    /// the claims are the truth but for `lies`, where `null` is a claim that is not made.
    pub(crate) fn sign_in(&self, location: &str, subject: &str, lies: &Value) -> (HashMap<String, String>, String) {
        let (page, query) = location.split_once('?').unwrap();
        assert_eq!(page, format!("{}/authorize", self.issuer()));
        let asked = fields(query);
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT));
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer(), "sub": subject, "aud": CLIENT, "nonce": asked["nonce"], "iat": now_s, "exp": now_s + 300,
        });
        for (name, value) in lies.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let mut mind = self.mind.lock().unwrap();
        let code = format!("code {}&", mind.codes.len());
        mind.codes.insert(code.clone(), (asked.clone(), claims));
        (asked, code)
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let header = |name: &str| {
            let fields = head.iter().filter_map(|line| line.split_once(": "));
            fields
                .into_iter()
                .find(|(field, _)| field.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = match head[0].split(' ').nth(1).unwrap() {
            "/realm/.well-known/openid-configuration" => Some(self.describe()),
            "/realm/jwks" => {
                let mind = self.mind.lock().unwrap();
                Some(json!({ "keys": [mind.signer.jwk(&mind.key_id)] }))
            }
            "/realm/token" => self.exchange(header("authorization").as_deref(), &String::from_utf8(body).unwrap()),
            _ => None,
        };
        let (status, body) = match answer {
            Some(answer) => ("200 OK", answer.to_string()),
            None => ("400 Bad Request", json!({ "error": "invalid_grant" }).to_string()),
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        // Whoever asked may have gone.
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    fn describe(&self) -> Value {
        let issuer = self.issuer();
        let mut mind = self.mind.lock().unwrap();
        mind.read += 1;
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
        });
        for (name, value) in mind.metadata.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        metadata
    }

    /// A code is worth a token once, to the client it was made for, with the verifier of its challenge.
    fn exchange(&self, authorization: Option<&str>, body: &str) -> Option<Value> {
        let shown = fields(body);
        let mut mind = self.mind.lock().unwrap();
        let (asked, claims) = mind.codes.remove(&shown["code"])?;
        let basic = authorization.and_then(|basic| basic.strip_prefix("Basic "));
        let pair = String::from_utf8(STANDARD.decode(basic?).unwrap()).unwrap();
        let (client, secret) = pair.split_once(':')?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, shown["code_verifier"].as_bytes()));
        let is_right = decoded(client) == CLIENT
            && decoded(secret) == SECRET
            && shown["grant_type"] == "authorization_code"
            && shown["redirect_uri"] == asked["redirect_uri"]
            && challenge == asked["code_challenge"]
            && shown["code_verifier"].len() >= 43;
        let id_token = mind.signer.sign(&mind.key_id, &claims);
        is_right.then(|| json!({ "id_token": id_token, "access_token": "x", "token_type": "Bearer" }))
    }
}

/// The fields of a query or a form.
pub(crate) fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// A text as a query carries it.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
