/*
 * SHA-256 of a stream of bytes, as text.
 */
#pragma once

#include "base/base.h"

#include <openssl/evp.h>

EVP_MD_CTX *sha256_begin(void);
void sha256_add(EVP_MD_CTX *digest, const void *bytes, size_t length_bytes);
/* 64 lower-case hex digits and a NUL. Nothing may be added afterwards. */
void sha256_text(EVP_MD_CTX *digest, char to[65]);
