/* Preloaded into h2load, which has no flags for it: every TLS context gets the client certificate of LOAD_CERT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

/* From <openssl/ssl.h>, which is in no package that is needed otherwise. */
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;
int SSL_CTX_use_certificate_chain_file(SSL_CTX *context, const char *file);
int SSL_CTX_use_PrivateKey_file(SSL_CTX *context, const char *file, int type);

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
  SSL_CTX *(*next)(const SSL_METHOD *) = (SSL_CTX * (*)(const SSL_METHOD *)) dlsym(RTLD_NEXT, "SSL_CTX_new");
  SSL_CTX *context = next(method);
  const char *file = getenv("LOAD_CERT");
  if (!context || !file) return context;
  const int pem = 1;
  if (SSL_CTX_use_certificate_chain_file(context, file) != 1 || SSL_CTX_use_PrivateKey_file(context, file, pem) != 1) abort();
  return context;
}
