#include "fleet/secret.h"

/* The dash comes last: a secret never begins with it, or it would look like an option. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

enum { CHARACTERS = sizeof(alphabet) - 1, FIRST_CHARACTERS = CHARACTERS - 1 };

/* Evenly one of the first `count`: bytes beyond the last whole multiple are drawn again. */
static char draw(unsigned count, void (*random)(void *to, size_t length_bytes))
{
    uint8_t byte;

    do {
        random(&byte, 1);
    } while (byte >= 256 / count * count);
    return alphabet[byte % count];
}

/* Some initiators read such a text as hexadecimal or base64. */
static bool looks_encoded(const char *secret)
{
    return secret[0] == '0' && strchr("xXbB", secret[1]);
}

void secret_make(char to[SECRET_SIZE], void (*random)(void *to, size_t length_bytes))
{
    do {
        for (size_t i = 0; i < SECRET_SIZE - 1; i++)
            to[i] = draw(i == 0 ? FIRST_CHARACTERS : CHARACTERS, random);
        to[SECRET_SIZE - 1] = '\0';
    } while (looks_encoded(to));
}
