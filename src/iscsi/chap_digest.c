/*
 * The digests of CHAP, and which of them is preferred.
 */
#include "iscsi/chap.h"

#include "iscsi/text.h"

#include <openssl/evp.h>
#include <stdio.h>

/* The strongest first. */
static const struct algorithm {
    enum chap_algorithm number;
    const char *name;
    const EVP_MD *(*digest)(void);
    size_t length_bytes;
} algorithms[] = {
    {CHAP_SHA3_256, "sha3-256", EVP_sha3_256, 32},
    {CHAP_SHA256, "sha256", EVP_sha256, 32},
    {CHAP_SHA1, "sha1", EVP_sha1, 20},
    {CHAP_MD5, "md5", EVP_md5, 16},
};

static const struct algorithm *find_algorithm(enum chap_algorithm number)
{
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        if (algorithms[i].number == number)
            return &algorithms[i];
    }
    CHECK(false);
    return NULL;
}

size_t chap_digest_bytes(enum chap_algorithm algorithm)
{
    return find_algorithm(algorithm)->length_bytes;
}

size_t chap_digest(enum chap_algorithm algorithm, uint8_t identifier, const char *secret,
                   const uint8_t *challenge, size_t challenge_bytes, uint8_t to[CHAP_DIGEST_MAX_BYTES])
{
    const struct algorithm *found = find_algorithm(algorithm);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned length = 0;

    CHECK(digest != NULL);
    /* A library in FIPS mode has no MD5: that is a refusal, not a mistake. */
    bool done = EVP_DigestInit_ex(digest, found->digest(), NULL) == 1 &&
                EVP_DigestUpdate(digest, &identifier, 1) == 1 &&
                EVP_DigestUpdate(digest, secret, strlen(secret)) == 1 &&
                EVP_DigestUpdate(digest, challenge, challenge_bytes) == 1 &&
                EVP_DigestFinal_ex(digest, to, &length) == 1;
    EVP_MD_CTX_free(digest);
    CHECK(!done || length == found->length_bytes);
    return done ? length : 0;
}

bool chap_choose(const char *list, unsigned allowed, enum chap_algorithm *algorithm)
{
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        char number[8];
        snprintf(number, sizeof(number), "%d", algorithms[i].number);
        if (!(allowed & CHAP_ALGORITHM_BIT(algorithms[i].number)) || !iscsi_text_list_has(list, number))
            continue;
        *algorithm = algorithms[i].number;
        return true;
    }
    return false;
}

bool chap_algorithm_from_name(const char *name, enum chap_algorithm *algorithm)
{
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        if (!string_equal(algorithms[i].name, name))
            continue;
        *algorithm = algorithms[i].number;
        return true;
    }
    return false;
}
