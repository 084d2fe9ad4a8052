//! Compiling `auth.oauth2`.

use std::collections::BTreeMap;

use pomost_models::auth::{ClientAuthSection, GrantSection, OAuth2Section};
use url::Url;

use super::{FileCompiler, system::AuthContext};
use crate::{
    auth::{ClientAuthentication, OAuthGrant, OAuthSettings, PrivateKey},
    environment::Environment,
};

impl FileCompiler<'_> {
    /// Compiles `auth.oauth2`.
    pub(crate) fn oauth2(
        &mut self,
        section: &OAuth2Section,
        context: AuthContext,
        environment: &Environment,
    ) -> Option<OAuthSettings> {
        let fits = self.check_keys(section, context);
        let mut oauth2 = OAuthCompiler {
            compiler: self,
            section,
            environment,
        };
        let token_url = oauth2.token_url(context);
        let client_id = oauth2.text("client_id", &section.client_id);
        let client = oauth2.client();
        let parameters = oauth2.parameters();
        let grant = oauth2.grant(token_url.as_ref(), client_id.as_deref());
        fits.then_some(())?;
        Some(OAuthSettings {
            grant: grant?,
            token_url: token_url?,
            client_id: client_id?,
            client: client?,
            parameters: parameters?,
        })
    }

    /// Checks that the keys which the grant and the client's authentication need are given, and
    /// that no others are.
    fn check_keys(&mut self, section: &OAuth2Section, context: AuthContext) -> bool {
        let (missing, useless) = (missing_keys(section, context), useless_keys(section));
        for (key, needed_by) in &missing {
            self.refuse(
                "/auth/oauth2",
                format!("'{key}' is missing, which {needed_by} needs"),
            );
        }
        for (key, goes_with) in &useless {
            self.refuse(
                &format!("/auth/oauth2/{key}"),
                format!("'{key}' has no use here; it goes with {goes_with}"),
            );
        }
        missing.is_empty() && useless.is_empty()
    }
}

/// A key of the section, and the setting that it goes with.
type KeyAndSetting = (&'static str, &'static str);

fn missing_keys(section: &OAuth2Section, context: AuthContext) -> Vec<KeyAndSetting> {
    let signs = section.client_auth == ClientAuthSection::PrivateKeyJwt;
    let has_key = section.private_key.is_some();
    let is_authenticated = section.client_secret.is_some() || signs || context.has_certificate;
    let mut missing = match section.grant {
        GrantSection::RefreshToken if section.refresh_token.is_none() => {
            vec![("refresh_token", "grant: refresh_token")]
        }
        GrantSection::JwtBearer if !has_key => vec![("private_key", "grant: jwt_bearer")],
        GrantSection::ClientCredentials if !is_authenticated => {
            vec![("client_secret", "grant: client_credentials")]
        }
        _ => Vec::new(),
    };
    if signs && !has_key {
        missing.push(("private_key", "client_auth: private_key_jwt"));
    }
    missing
}

fn useless_keys(section: &OAuth2Section) -> Vec<KeyAndSetting> {
    let refreshes = section.grant == GrantSection::RefreshToken;
    let asserts = section.grant == GrantSection::JwtBearer;
    let signs = section.client_auth == ClientAuthSection::PrivateKeyJwt;
    let has_key = section.private_key.is_some();
    let keys = [
        (
            !refreshes && section.refresh_token.is_some(),
            ("refresh_token", "grant: refresh_token"),
        ),
        (
            !asserts && section.subject.is_some(),
            ("subject", "grant: jwt_bearer"),
        ),
        (
            !asserts && !section.claims.is_empty(),
            ("claims", "grant: jwt_bearer"),
        ),
        (
            signs && section.client_secret.is_some(),
            ("client_secret", "client_auth: basic or body"),
        ),
        (
            !asserts && !signs && has_key,
            (
                "private_key",
                "grant: jwt_bearer or client_auth: private_key_jwt",
            ),
        ),
        (
            !has_key && section.key_id.is_some(),
            ("key_id", "private_key"),
        ),
    ];
    keys.into_iter()
        .filter_map(|(is_useless, key)| is_useless.then_some(key))
        .collect()
}

struct OAuthCompiler<'a, 'b> {
    compiler: &'a mut FileCompiler<'b>,
    section: &'a OAuth2Section,
    environment: &'a Environment,
}

impl OAuthCompiler<'_, '_> {
    fn token_url(&mut self, context: AuthContext) -> Option<Url> {
        let text = self.text("token_url", &self.section.token_url)?;
        self.compiler.url("/auth/oauth2/token_url", &text, context)
    }

    fn grant(&mut self, token_url: Option<&Url>, client_id: Option<&str>) -> Option<OAuthGrant> {
        match self.section.grant {
            GrantSection::ClientCredentials => Some(OAuthGrant::ClientCredentials),
            GrantSection::RefreshToken => {
                let reference = self.section.refresh_token.as_ref()?;
                let first = self.compiler.secret(
                    "/auth/oauth2/refresh_token",
                    reference,
                    self.environment,
                )?;
                Some(OAuthGrant::RefreshToken {
                    first,
                    reference: reference.0.clone(),
                })
            }
            GrantSection::JwtBearer => {
                let key = self.key();
                let claims = self.claims(token_url, client_id);
                Some(OAuthGrant::JwtBearer {
                    claims: claims?,
                    key: key?,
                })
            }
        }
    }

    fn claims(
        &mut self,
        token_url: Option<&Url>,
        client_id: Option<&str>,
    ) -> Option<BTreeMap<String, String>> {
        let section = self.section;
        let own: Vec<_> = section
            .claims
            .iter()
            .map(|(name, text)| (name.clone(), self.text(&format!("claims/{name}"), text)))
            .collect();
        let subject = section
            .subject
            .as_ref()
            .map(|subject| self.text("subject", subject));
        let audience = section
            .audience
            .as_ref()
            .map(|audience| self.text("audience", audience));
        let client_id = client_id?.to_owned();
        let mut claims = BTreeMap::from([
            ("iss".to_owned(), client_id.clone()),
            ("sub".to_owned(), subject.unwrap_or(Some(client_id))?),
            (
                "aud".to_owned(),
                audience.unwrap_or_else(|| token_url.map(Url::to_string))?,
            ),
        ]);
        for (name, text) in own {
            claims.insert(name, text?);
        }
        Some(claims)
    }

    fn client(&mut self) -> Option<ClientAuthentication> {
        if self.section.client_auth == ClientAuthSection::PrivateKeyJwt {
            return self.key().map(ClientAuthentication::PrivateKeyJwt);
        }
        let Some(reference) = &self.section.client_secret else {
            return Some(ClientAuthentication::None);
        };
        let secret =
            self.compiler
                .secret("/auth/oauth2/client_secret", reference, self.environment)?;
        Some(match self.section.client_auth {
            ClientAuthSection::Body => ClientAuthentication::Body(secret),
            _ => ClientAuthentication::Basic(secret),
        })
    }

    fn key(&mut self) -> Option<PrivateKey> {
        let reference = self.section.private_key.as_ref()?;
        let pem =
            self.compiler
                .signing_key("/auth/oauth2/private_key", reference, self.environment)?;
        Some(PrivateKey {
            pem,
            id: self.section.key_id.clone(),
        })
    }

    fn parameters(&mut self) -> Option<Vec<(String, String)>> {
        let section = self.section;
        let scopes = (!section.scopes.is_empty()).then(|| Some(section.scopes.join(" ")));
        let audience = section
            .audience
            .as_ref()
            .filter(|_| section.grant != GrantSection::JwtBearer);
        let audience = audience.map(|audience| self.text("audience", audience));
        let known = [("scope", scopes), ("audience", audience)];
        let mut parameters: Vec<(String, Option<String>)> = known
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?)))
            .collect();
        for (name, text) in &section.parameters {
            parameters.push((name.clone(), self.text(&format!("parameters/{name}"), text)));
        }
        parameters
            .into_iter()
            .map(|(name, text)| Some((name, text?)))
            .collect()
    }

    fn text(&mut self, key: &str, text: &str) -> Option<String> {
        self.compiler
            .resolve(&format!("/auth/oauth2/{key}"), text, self.environment)
    }
}
