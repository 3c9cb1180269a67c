use super::*;
use crate::printer::Printer;
use crate::stand_in::{Asked, Said, StandIn};

async fn waited(url: &str, timeout: u64, insist: bool) -> Result<Answering, Failure> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let progress = Progress::new(&Printer::new(true, false), false);
    let patience = Patience {
        timeout: Duration::from_secs(timeout),
        pause: Duration::from_millis(5),
        insist,
    };
    let page = Page {
        name: "shop-pr-7",
        url,
        hosts: &["localhost".to_owned()],
        is_golden: &|host| host == "shop.example.com",
        has_ingresses: false,
        has_routes: true,
    };
    let unserved = async || Some("Gateway public does not accept it".to_owned());
    poll(&Web::new().unwrap(), &page, unserved, patience, &progress).await
}

/// A server that answers `/` with a redirect to `location`, and everything else well.
async fn redirecting(location: impl Fn(&str) -> String + Send + Sync + 'static) -> StandIn {
    StandIn::start(move |asked: &Asked, _| match asked.path.as_str() {
        "/" => Said::new(302).header("location", &location(&asked.host())),
        _ => Said::new(200),
    })
    .await
}

#[tokio::test]
async fn a_url_is_asked_until_the_program_answers() {
    let server = StandIn::start(|_: &Asked, count| Said::new([503, 404, 200][count.min(2)])).await;
    let url = format!("http://{}", server.authority());
    assert_eq!(waited(&url, 20, false).await, Ok(Answering::Yes));
    assert_eq!(server.asked().len(), 3);
    for status in [401, 403] {
        let server = StandIn::start(move |_: &Asked, _| Said::new(status)).await;
        let url = format!("http://{}", server.authority());
        assert_eq!(waited(&url, 20, false).await, Ok(Answering::Yes), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_followed_within_the_previews_own_hosts_and_counts_where_it_ends() {
    let within: [fn(&str) -> String; 3] = [
        |_| "/login?from=%2F#top".to_owned(),
        |_| "login".to_owned(),
        // Another host of the preview, on the same port.
        |host| format!("http://localhost:{}/login", host.rsplit(':').next().unwrap()),
    ];
    for location in within {
        let server = redirecting(location).await;
        let url = format!("http://{}", server.authority());
        assert_eq!(waited(&url, 20, false).await, Ok(Answering::Yes));
        assert_eq!(server.asked().last().unwrap().path, "/login");
    }
    let server = redirecting(|_| "/".to_owned()).await;
    let failure = waited(&format!("http://{}", server.authority()), 0, false)
        .await
        .unwrap_err();
    assert!(
        failure.causes[0].contains("it redirects more than"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_redirect_to_the_golden_is_no_answer_and_one_to_a_third_host_cannot_be_told() {
    let server = redirecting(|_| "https://shop.example.com/".to_owned()).await;
    let url = format!("http://{}", server.authority());
    let failure = waited(&url, 0, false).await.unwrap_err();
    assert!(
        failure.causes[0].contains("it redirects to shop.example.com, a host of the golden"),
        "{failure:?}"
    );
    assert!(failure.hint.unwrap().starts_with("understudy verify shop-pr-7 "));
    let server = redirecting(|_| "https://login.example.net/".to_owned()).await;
    let url = format!("http://{}", server.authority());
    let answering = waited(&url, 20, false).await;
    assert!(
        matches!(&answering, Ok(Answering::Unknown(why)) if why.contains("login.example.net")),
        "{answering:?}"
    );
    assert!(waited(&url, 0, true).await.is_err());
}

#[tokio::test]
async fn what_holds_a_url_back_is_one_sentence_with_a_command() {
    let server = StandIn::start(|_: &Asked, _| Said::new(503)).await;
    let failure = waited(&format!("http://{}", server.authority()), 0, false)
        .await
        .unwrap_err();
    assert_eq!(failure.exit, Exit::NotInTime);
    assert!(
        failure.causes[0].contains("503: the route leads to no Pod"),
        "{failure:?}"
    );
    assert!(
        failure.causes[0].ends_with("; Gateway public does not accept it"),
        "{failure:?}"
    );
    assert_eq!(
        failure.hint.unwrap(),
        "kubectl get httproutes,service,endpointslices --namespace shop-pr-7"
    );
    // It speaks no TLS.
    let failure = waited(&format!("https://{}", server.authority()), 0, false)
        .await
        .unwrap_err();
    assert!(failure.causes[0].contains("does not speak TLS"), "{failure:?}");
    // Nobody listens on the first port.
    let failure = waited("http://127.0.0.1:1", 0, false).await.unwrap_err();
    assert!(
        failure.causes[0].contains("refuses the connection"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_name_that_is_unknown_here_is_waited_for_only_on_request() {
    // Reserved never to be known: RFC 6761, 6.4.
    let url = "https://shop-pr-7.understudy.invalid";
    let unknown = waited(url, 20, false).await;
    assert!(matches!(unknown, Ok(Answering::Unknown(_))), "{unknown:?}");
    let failure = waited(url, 0, true).await.unwrap_err();
    assert!(
        failure.causes[0].contains("its name does not resolve"),
        "{failure:?}"
    );
}
