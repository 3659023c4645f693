#include "disk/digest.h"

#include <stdio.h>

EVP_MD_CTX *sha256_begin(void)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    CHECK(digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
    return digest;
}

void sha256_add(EVP_MD_CTX *digest, const void *bytes, size_t length_bytes)
{
    CHECK(EVP_DigestUpdate(digest, bytes, length_bytes) == 1);
}

void sha256_text(EVP_MD_CTX *digest, char to[65])
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned length;

    CHECK(EVP_DigestFinal_ex(digest, bytes, &length) == 1 && length == 32);
    for (unsigned i = 0; i < length; i++)
        snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}
