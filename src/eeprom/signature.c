#include "eeprom/signature.h"

#include "disk/digest.h"
#include "eeprom/image.h"

void eeprom_signature(struct text *to, const uint8_t *image, size_t length_bytes, uint64_t time_seconds)
{
    EVP_MD_CTX *digest = sha256_begin();
    char hex[65];

    sha256_add(digest, image, length_bytes);
    sha256_text(digest, hex);
    EVP_MD_CTX_free(digest);
    text_appendf(to, "%s\nts: %llu\ntarget-soc: %u\n", hex, (unsigned long long)time_seconds,
                 eeprom_processor(length_bytes));
}
