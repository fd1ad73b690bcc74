//! The guard against a table of addresses in all the spellings attackers use.

use std::collections::BTreeMap;

use super::*;

/// Hosts with the reason for which they are refused.
const REFUSED_HOSTS: [(&str, &str); 15] = [
    (
        "loopback",
        "127.0.0.1 127.1 127.0.1 127.255.255.254 127.0.0.1. 2130706433 017700000001 0x7f000001 \
         0x7f.1 0x7F.0.0.1 0177.0.0.1 127.0x1 0177.0.1 127.00000.1 127.000000000001 127.0.0.0 \
         １２７.０.０.１ 127。0。0。1 ①②⑦.0.0.1 %31%32%37.0.0.1 127%2e0%2e0%2e1 [::1] \
         [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::ffff:127.0.0.1] \
         [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::FFFF:127.1.2.3] [64:ff9b::127.0.0.1] \
         [64:ff9b::7f00:1]",
    ),
    (
        "private",
        "10.0.0.0 10.0.0.1 10.255.255.255 012.0.0.1 0xa.1 10.1 167772161 172.16.0.1 \
         172.31.255.255 0xac.0x10.0.1 2886729729 192.168.0.1 192.168.255.255 0xc0a80001 \
         3232235521 192.168.1 0300.0250.0.1 １０.０.０.１ [::ffff:10.0.0.1] [::ffff:a00:1] \
         [::ffff:192.168.0.1] [::ffff:172.16.0.1] [64:ff9b::10.0.0.1] [64:ff9b::c0a8:1] \
         [fc00::] [fc00::1] [fd00::1] [fd12:3456:789a::1] [fdff:ffff::1] [fec0::1] \
         [fd00:ec2::254]",
    ),
    (
        "link_local",
        "169.254.169.254 169.254.0.0 169.254.255.255 169.254.170.2 0xa9fea9fe 2852039166 \
         0251.0376.0251.0376 0xa9.0xfe.0xa9.0xfe 169.254.43518 169.16689662 \
         １６９.２５４.１６９.２５４ 169.254.169.254. [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] \
         [64:ff9b::169.254.169.254] [fe80::] [fe80::1] [fe80::a9fe:a9fe] [febf:ffff::1]",
    ),
    (
        "unspecified",
        "0.0.0.0 0 0x0 00 0.1 0.0.0.1 0.255.255.255 0x00000000 [::] [0:0:0:0:0:0:0:0] \
         [::ffff:0.0.0.0] [64:ff9b::]",
    ),
    (
        "shared_nat",
        "100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255 [::ffff:100.64.0.1]",
    ),
    (
        "documentation",
        "192.0.2.1 192.0.2.255 198.51.100.1 203.0.113.1 203.0.113.255 198.18.0.1 198.19.255.255 \
         [::ffff:192.0.2.1] [2001:db8::] [2001:db8::1] [2001:db8:ffff::1] [3fff::1] \
         [3fff:fff::1] [2001:2::1]",
    ),
    (
        "reserved",
        "192.0.0.1 192.0.0.171 192.0.0.255 240.0.0.1 250.1.2.3 255.255.255.254",
    ),
    (
        "reserved",
        "[100::] [100::1] [5f00::1] [4000::1] [8000::1] [1000::1] [2001:10::1] [2001:20::1] \
         [2001:1::1] [200::1] [::ffff:0:127.0.0.1]",
    ),
    (
        "multicast",
        "224.0.0.1 224.0.0.251 239.255.255.250 232.1.1.1 0xe0000001 [::ffff:224.0.0.1]",
    ),
    (
        "multicast",
        "[ff00::] [ff02::1] [ff02::fb] [ff05::1:3] [ffff::1]",
    ),
    (
        "broadcast",
        "255.255.255.255 4294967295 0xffffffff 0377.0377.0377.0377",
    ),
    (
        "translation",
        "192.88.99.0 192.88.99.1 192.88.99.255 [2002::] [2002:7f00:1::] [2002:a00:1::1]",
    ),
    (
        "translation",
        "[2001::1] [2001:0:7f00:1::] [2001:0:53aa:64c::1] [64:ff9b:1::1] [64:ff9b:1::7f00:1] \
         [64:ff9b:1:ffff::1] [::127.0.0.1] [::7f00:1] [::10.0.0.1] [::2]",
    ),
    (
        "local_name",
        "localhost LOCALHOST localhost. LocalHost. a.localhost a.b.localhost. ｌｏｃａｌｈｏｓｔ \
         l%6fcalhost printer printer. shop.local router.lan intranet wiki.intranet \
         localhost.localdomain nas.home.arpa",
    ),
    (
        "local_name",
        "kubernetes kubernetes.default.svc nats.storelink.svc postgres.storelink.svc. \
         a.svc.cluster.local metadata.google.internal instance-data.ec2.internal \
         host.docker.internal gateway.docker.internal vault.service.internal",
    ),
];

/// Whole addresses that are refused for their form.
const REFUSED_FORMS: [(&str, &str); 26] = [
    ("scheme", "ftp://shop.example/"),
    ("scheme", "file:///etc/passwd"),
    ("scheme", "gopher://shop.example:70/_x"),
    ("scheme", "ws://shop.example/"),
    ("scheme", "wss://shop.example/"),
    ("scheme", "data:text/plain,x"),
    ("scheme", "javascript:alert(1)"),
    ("scheme", "mailto:a@shop.example"),
    ("scheme", "unix:/run/docker.sock"),
    ("scheme", "ldap://shop.example/"),
    ("scheme", "dict://shop.example:11211/stat"),
    ("scheme", "httpx://shop.example/"),
    ("user_info", "https://user@shop.example/"),
    ("user_info", "https://user:pw@shop.example/"),
    ("user_info", "https://:pw@shop.example/"),
    ("user_info", "https://shop.example@127.0.0.1/"),
    ("user_info", "https://shop.example:443@169.254.169.254/"),
    ("user_info", "https://shop.example%40x@shop.example/"),
    ("user_info", "https://a@b@shop.example/"),
    ("port", "https://shop.example:22/"),
    ("port", "http://shop.example:25/"),
    ("port", "http://shop.example:4222/"),
    ("port", "http://8.8.8.8:53/"),
    ("port", "http://shop.example:6379/"),
    ("port", "https://[2606:4700::1111]:5432/"),
    ("port", "https://shop.example:0/"),
];

const ALLOWED: [&str; 44] = [
    "https://shop.example/",
    "https://shop.example",
    "http://shop.example/",
    "HTTPS://SHOP.EXAMPLE/",
    "https://shop.example./",
    "https://shop.example:443/",
    "http://shop.example:80/",
    "http://shop.example:8080/",
    "https://shop.example:8443/",
    "https://shop.example/path?x=http://127.0.0.1/",
    "https://shop.example/#@127.0.0.1",
    "https://shop.example/@127.0.0.1",
    "https://127.0.0.1.shop.example/",
    "https://localhost.shop.example/",
    "https://local.shop.example/",
    "https://mylocalhost.example/",
    "https://shop.mylocal.example/",
    "https://notlocal.si/",
    "https://svc.example/",
    "https://internal.example/",
    "https://trgovina-čšž.si/",
    "https://xn--trgovina-sfb.si/",
    "https://shop-1.a.b.c.example/wp-json/",
    "https://8.8.8.8/",
    "https://1.1.1.1/",
    "http://9.255.255.255/",
    "http://11.0.0.1/",
    "http://100.63.255.255/",
    "http://100.128.0.1/",
    "http://126.255.255.255/",
    "http://128.0.0.1/",
    "http://169.253.255.255/",
    "http://169.255.0.1/",
    "http://172.15.255.255/",
    "http://172.32.0.1/",
    "http://192.167.255.255/",
    "http://192.169.0.1/",
    "http://192.0.1.1/",
    "http://198.20.0.1/",
    "http://223.255.255.255/",
    "https://[2606:4700::1111]/",
    "https://[2a00:1450:4001:800::200e]:8443/",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::8.8.8.8]/",
];

/// What the URL library itself does not take for an address.
const UNPARSABLE: [&str; 12] = [
    "https://",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://127.0.0.256/",
    "https://1.2.3.4.5/",
    "https://0x100000000/",
    "https://shop example/",
    "https://shop.example:99999/",
    "https://[::1/",
    "https://shop\u{0}.example/",
    "https://user:pw@/",
    "//shop.example/",
];

fn verdict(text: &str, policy: &OutboundPolicy) -> String {
    let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    match check_url(&url, policy) {
        Ok(_) => "allowed".to_owned(),
        Err(TransportError::AddressRefused { why, .. }) => why.as_str().to_owned(),
        Err(TransportError::PortRefused { .. }) => "port".to_owned(),
        Err(TransportError::InvalidAddress {
            reason: InvalidAddress::Scheme,
        }) => "scheme".to_owned(),
        Err(TransportError::InvalidAddress {
            reason: InvalidAddress::UserInfo,
        }) => "user_info".to_owned(),
        Err(other) => other.code().to_owned(),
    }
}

#[test]
fn every_address_of_the_table_is_judged_as_written_there() {
    let policy = OutboundPolicy::default();
    let mut judged = BTreeMap::new();
    let mut wrong = Vec::new();
    let hosts = REFUSED_HOSTS
        .iter()
        .flat_map(|(why, hosts)| hosts.split_whitespace().map(move |host| (*why, host)))
        .map(|(why, host)| (why, format!("https://{host}/")));
    let forms = REFUSED_FORMS
        .iter()
        .map(|(why, url)| (*why, (*url).to_owned()));
    let allowed = ALLOWED.iter().map(|url| ("allowed", (*url).to_owned()));
    for (expected, url) in hosts.chain(forms).chain(allowed) {
        let found = verdict(&url, &policy);
        if found != expected {
            wrong.push(format!("{url}: expected {expected}, found {found}"));
        }
        judged.insert(url, found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        judged.len() + UNPARSABLE.len() >= 250,
        "{} different addresses",
        judged.len()
    );
}

#[test]
fn broken_addresses_do_not_even_parse() {
    for text in UNPARSABLE {
        assert!(Url::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn an_opened_subnet_opens_nothing_else() {
    let policy = OutboundPolicy::default()
        .allow_subnets(["10.20.0.0/16", "fd00::/16"])
        .unwrap();
    for (url, expected) in [
        ("http://10.20.3.4/", "allowed"),
        ("http://10.20.3.4:8102/", "allowed"),
        ("http://[::ffff:10.20.3.4]/", "allowed"),
        ("http://[fd00::5]/", "allowed"),
        ("http://10.21.0.1/", "private"),
        ("http://[fd01::5]/", "private"),
        ("http://127.0.0.1/", "loopback"),
        // Names may be looked up now; the resolver lets only the subnet's addresses through.
        ("http://shop.example:8102/", "allowed"),
        // Names may be looked up now; their addresses are judged by the resolver.
        ("http://shop.internal/", "allowed"),
        ("http://localhost/", "allowed"),
    ] {
        assert_eq!(verdict(url, &policy), expected, "{url}");
    }
}

#[test]
fn nothing_opens_metadata_multicast_and_the_like() {
    let policy = OutboundPolicy::default()
        .allow_subnets(["0.0.0.0/0", "::/0"])
        .unwrap();
    for (url, expected) in [
        ("http://169.254.169.254/", "link_local"),
        ("http://[::ffff:169.254.169.254]/", "link_local"),
        ("http://[fe80::1]/", "link_local"),
        ("http://0.0.0.0/", "unspecified"),
        ("http://[::]/", "unspecified"),
        ("http://224.0.0.1/", "multicast"),
        ("http://255.255.255.255/", "broadcast"),
        ("http://127.0.0.1/", "allowed"),
    ] {
        assert_eq!(verdict(url, &policy), expected, "{url}");
    }
}
