//! Roles and accounts of the configuration, as the server is told them.

use std::collections::BTreeMap;

use sluice_config::{Accounts, Oidc, Role};
use sluice_server::{AccountsConfig, OidcConfig};

/// `[roles]`
pub(crate) fn roles(roles: BTreeMap<String, Role>) -> BTreeMap<String, sluice_server::Role> {
    roles.into_iter().map(|(name, role)| (name, self::role(&role))).collect()
}

fn role(role: &Role) -> sluice_server::Role {
    sluice_server::Role {
        publish: role.publish,
        publish_sources: role.publish_sources.iter().map(|source| source.name().to_owned()).collect(),
        subscribe: role.subscribe,
        data: role.data,
        moderate: role.moderate,
        record: role.record,
        hidden: role.hidden,
    }
}

/// `[accounts]`
pub(crate) fn accounts(accounts: Accounts) -> AccountsConfig {
    AccountsConfig {
        enabled: accounts.enabled,
        access_life: accounts.access_life,
        refresh_life: accounts.refresh_life,
        registration: accounts.registration,
        oidc: oidc(accounts.oidc),
    }
}

/// There is a provider when its issuer is said; the rules of the configuration see to it that its client id is too.
fn oidc(oidc: Oidc) -> Option<OidcConfig> {
    Some(OidcConfig {
        issuer: oidc.issuer?.as_str().to_owned(),
        client_id: oidc.client_id?,
        client_secret: oidc.client_secret.map(|secret| secret.reveal().to_owned()),
        name: oidc.name,
        scopes: oidc.scopes,
        roles_claim: oidc.roles_claim,
        allow_private: oidc.allow_private,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two crates state a participant's powers apart; they must not drift.
    #[test]
    fn what_a_role_does_not_say_is_the_same_for_both() {
        assert_eq!(role(&Role::default()), sluice_server::Role::default());
    }
}
