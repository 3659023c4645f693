/*
 * SipHash-2-4: a short keyed authenticator (Aumasson, Bernstein 2012), for names that we give out and later
 * must recognise as our own.
 */
#pragma once

#include "base/base.h"

enum { SIPHASH_KEY_BYTES = 16 };

uint64_t siphash(const uint8_t key[SIPHASH_KEY_BYTES], const void *bytes, size_t length_bytes);
