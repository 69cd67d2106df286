// A server with an untrusted certificate: an immediate error with advice, without retries.
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

// Takes connections, shows a certificate of its own making, and counts.
class TlsServer {
 public:
  TlsServer() : context_(SSL_CTX_new(TLS_server_method())), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("127.0.0.1"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    SSL_CTX_use_certificate(context_, certificate);
    SSL_CTX_use_PrivateKey(context_, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    ::listen(socket_, 8);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
    SSL_CTX_free(context_);
  }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void serve() {
    for (int peer; (peer = ::accept(socket_, nullptr, nullptr)) >= 0; ::close(peer)) {
      ++connections_;
      SSL* ssl = SSL_new(context_);
      SSL_set_fd(ssl, peer);
      SSL_accept(ssl);
      SSL_free(ssl);
    }
  }

  SSL_CTX* context_;
  int socket_;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

TEST_F(HubTest, ACertificateThatNobodySignedIsNotTriedAgain) {
  const TlsServer server;
  environment_.set("HF_ENDPOINT", server.url());
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_EQ(contains(error.what(), {server.url(), "certificate", "SSL_CERT_FILE"}), "");
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(clock_.slept(), 0);
}

}  // namespace

}  // namespace gptq::testing
