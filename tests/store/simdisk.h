/*
 * A disk in memory that forgets: the store's table of file functions, and a VFS for SQLite, over files whose every 512
 * bytes, whose length and whose name are durable or only pending.
 *
 * Every call is counted, SQLite's included. At a chosen one the power goes: that call and all later ones give -EIO and
 * do nothing, until simdisk_power_on has kept or lost each pending thing at random. Or a chosen call fails once. Or, at
 * every call, somebody is told and takes a copy of the disk as a cut would leave it now: copies share what is the same.
 *
 * Harsher than a real disk in one way: a rename may lose the old name without making the new one. Kinder in
 * another: of several writes to one sector since its last sync, only the last one can have survived.
 */
#pragma once

#include "store/io.h"

struct simdisk;

struct simdisk *simdisk_new(uint64_t seed);
void simdisk_free(struct simdisk *disk);
const struct store_io *simdisk_io(struct simdisk *disk);

/* Calls since the beginning. */
uint64_t simdisk_calls(const struct simdisk *disk);
/* The power goes before call number `call`, counted from the beginning; UINT64_MAX: never. */
void simdisk_cut_at(struct simdisk *disk, uint64_t call);
bool simdisk_is_dead(const struct simdisk *disk);
/* Call number `call` gives `error` (negative) once and does nothing; a sync that fails also drops what it was
 * for. */
void simdisk_fail_at(struct simdisk *disk, uint64_t call, int error);
/* Reads and writes now and then move less than they were asked to, or are interrupted. */
void simdisk_set_rough(struct simdisk *disk, bool rough);
/* The process died, and nothing else: all that is pending still is. */
void simdisk_restart(struct simdisk *disk);
/* Loses what the cut loses, and works again. */
void simdisk_power_on(struct simdisk *disk);
/* Called before every call, with nothing done of it yet. NULL: nobody. */
void simdisk_on_call(struct simdisk *disk, void (*fn)(void *arg), void *arg);
/* Another disk, that holds what a cut at this moment leaves of this one; what it is depends on `seed`. */
struct simdisk *simdisk_after_cut(struct simdisk *disk, uint64_t seed);
/* How many names there are below the folder `path`. */
unsigned simdisk_entries(struct simdisk *disk, const char *path);
