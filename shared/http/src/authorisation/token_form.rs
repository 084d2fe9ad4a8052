//! The form that is posted to a token endpoint (RFC 6749 §4, RFC 7523), and the secrets in it.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use pomost_project::auth::{ClientAuthentication, OAuthGrant};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{token_denial::TokenDenial, token_endpoint::TokenEndpoint};

const JWT_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The secrets that a request for tokens shows.
#[derive(Default)]
pub(super) struct ShownSecrets {
    parameters: Vec<(&'static str, SecretString)>,
    pub(super) basic: Option<SecretString>,
}

impl TokenEndpoint {
    /// Returns the secrets of a request: of its grant, and of the client.
    pub(super) fn shown(
        &self,
        refresh_token: Option<&SecretString>,
    ) -> Result<ShownSecrets, TokenDenial> {
        let settings = &*self.settings;
        let mut shown = ShownSecrets::default();
        match &settings.grant {
            OAuthGrant::ClientCredentials => {}
            OAuthGrant::RefreshToken { first, .. } => {
                shown
                    .parameters
                    .push(("refresh_token", refresh_token.unwrap_or(first).clone()));
            }
            OAuthGrant::JwtBearer { claims, .. } => {
                shown.parameters.push(("assertion", self.signed(claims)?))
            }
        }
        match &settings.client {
            ClientAuthentication::None => {}
            ClientAuthentication::Basic(secret) => {
                shown.basic = Some(basic(&settings.client_id, secret))
            }
            ClientAuthentication::Body(secret) => {
                shown.parameters.push(("client_secret", secret.clone()))
            }
            ClientAuthentication::PrivateKeyJwt(_) => {
                let (client, audience) = (&settings.client_id, settings.token_url.to_string());
                let claims = [("iss", client), ("sub", client), ("aud", &audience)];
                let claims = claims.map(|(name, value)| (name.to_owned(), value.clone()));
                shown
                    .parameters
                    .push(("client_assertion", self.signed(&BTreeMap::from(claims))?));
            }
        }
        Ok(shown)
    }

    /// Writes the form that is posted.
    pub(super) fn form(&self, shown: &ShownSecrets) -> String {
        let settings = &*self.settings;
        let grant_type = match settings.grant {
            OAuthGrant::ClientCredentials => "client_credentials",
            OAuthGrant::RefreshToken { .. } => "refresh_token",
            OAuthGrant::JwtBearer { .. } => JWT_BEARER_GRANT,
        };
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", grant_type);
        match settings.client {
            ClientAuthentication::Basic(_) => {}
            ClientAuthentication::None | ClientAuthentication::Body(_) => {
                form.append_pair("client_id", &settings.client_id);
            }
            ClientAuthentication::PrivateKeyJwt(_) => {
                form.append_pair("client_id", &settings.client_id);
                form.append_pair("client_assertion_type", CLIENT_ASSERTION_TYPE);
            }
        }
        form.extend_pairs(&settings.parameters);
        form.extend_pairs(
            shown
                .parameters
                .iter()
                .map(|(name, secret)| (name, secret.expose_secret())),
        );
        form.finish()
    }

    fn signed(&self, claims: &BTreeMap<String, String>) -> Result<SecretString, TokenDenial> {
        let refused =
            |why: String| TokenDenial::refused(format!("{}: auth.oauth2: {why}", self.system));
        let signer = self
            .signer
            .as_ref()
            .ok_or_else(|| refused("there is no private key".to_owned()))?;
        signer
            .assertion(claims, self.requests.clock.timestamp())
            .map_err(|error| refused(error.to_string()))
    }
}

impl ShownSecrets {
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.parameters
            .iter()
            .map(|(_, secret)| secret)
            .chain(&self.basic)
    }
}

/// Makes the header of basic authentication. The name and the secret are encoded as in a form
/// before they are joined (RFC 6749 §2.3.1).
fn basic(client_id: &str, secret: &SecretString) -> SecretString {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret()));
    format!("Basic {}", BASE64_STANDARD.encode(pair)).into()
}
