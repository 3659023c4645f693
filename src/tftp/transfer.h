/*
 * One file on its way to one client: what to send next, and when it is over (RFC 1350, 2347, 2348, 2349,
 * 7440).
 *
 * Pure: packets and times go in, blocks to send come out. It has no file and no socket, and does not know who
 * the client is. Netascii has been translated before: this counts bytes of what goes over the wire.
 *
 * The rules that clients taught:
 *  - the timeout follows the measured round trip, so that a loss costs little and whoever is merely slow gets nothing
 *    twice;
 *  - a duplicate ACK never makes it send a block again (else every later block goes twice: the "Sorcerer's
 *    Apprentice"), and a block is repeated only after a real timeout, because some firmware counts a repeated
 * block as the next one;
 *  - an ACK inside a window means "go on from there";
 *  - block numbers go on with 0 after 65535;
 *  - an ERROR in answer to the first packet is a client that wanted to know the size, or whether the file
 * exists.
 */
#pragma once

#include "tftp/packet.h"

enum {
    TFTP_BLKSIZE_DEFAULT = 512,
    TFTP_IP_UDP_TFTP_BYTES = 32, /* headers in front of a block */
    TFTP_WINDOWSIZE_MAX = 64,
    TFTP_TIMEOUT_FIRST_MS = 1000, /* until a round trip was measured */
    TFTP_TIMEOUT_MIN_MS = 200,    /* however short it is: a client has other things to do, too */
    TFTP_TIMEOUT_MAX_MS = 8000,
    TFTP_TIMEOUT_OPTION_MAX = 60, /* seconds; a longer wish is left out of the OACK */
    TFTP_RESENDS_MAX = 8,
    /* Before the client was heard its address may be forged, and what is sent hits somebody else: so few, and the first
     * packet again only while all is at most ten times what was received. */
    TFTP_RESENDS_UNHEARD_MAX = 2,
    TFTP_UNHEARD_FACTOR = 10,
    TFTP_IP_UDP_BYTES = 28,
    /* Many ROMs never acknowledge the last block. */
    TFTP_RESENDS_LAST_MAX = 2,
};

enum tftp_outcome {
    TFTP_RUNNING,
    TFTP_SENT,
    TFTP_PROBED,    /* the client stopped after the first packet, on purpose */
    TFTP_ABORTED,   /* the client sent an ERROR later; `error_code`, `error_text` */
    TFTP_TIMED_OUT, /* the client fell silent */
};

enum tftp_step {
    TFTP_STEP_OACK, /* send `granted` */
    TFTP_STEP_DATA, /* send the block in `*block` */
    TFTP_STEP_WAIT, /* nothing to send before a packet comes or `deadline_ms` passes */
    TFTP_STEP_END,  /* `outcome` says how */
};

struct tftp_block {
    uint64_t number; /* counted without rolling over */
    uint64_t offset;
    uint32_t length_bytes;
};

struct tftp_transfer {
    enum tftp_outcome outcome;
    uint64_t size_bytes;
    uint32_t blksize;
    uint32_t windowsize;
    struct tftp_options granted;
    uint64_t last_block;  /* the one shorter than blksize that ends the file */
    uint64_t acked;       /* every block up to this one has arrived */
    uint64_t sent;        /* every block up to this one is on its way */
    uint64_t deadline_ms; /* when to call tftp_transfer_timeout */
    uint32_t resends_total;
    bool heard; /* the client has answered: its address is not forged */

    /* The engine's own. */
    bool oack_unanswered;
    bool oack_due;
    bool sent_since_deadline;
    uint32_t resends;
    uint32_t first_timeout_ms;
    uint32_t timeout_ms;
    bool timeout_is_fixed;    /* the client asked for it */
    uint64_t furthest;        /* the last block that was ever sent */
    uint64_t sent_ms;         /* when the newest packet left */
    bool sent_once;           /* it was no repetition, so that its answer tells the round trip */
    bool is_measured;
    uint32_t round_trip_us;   /* smoothed, and its deviation (RFC 6298) */
    uint32_t deviation_us;
    uint32_t longest_us;      /* lately */
    uint64_t received_bytes;  /* of requests, with headers, until the client was heard */
    uint64_t unheard_bytes;   /* sent until then */
    uint64_t resumed_ms;
    uint16_t error_code;
    char error_text[64]; /* quoted */
};

/* Negotiates. `mtu_bytes` is that of the way to the client: no block makes a longer packet. `size_bytes` is
 * that of what will be sent. */
void tftp_transfer_begin(struct tftp_transfer *t, const struct tftp_request *request, uint64_t size_bytes,
                         uint32_t mtu_bytes, uint64_t now_ms);

/* To be called until it gives WAIT or END, at the start and after each packet or timeout. */
enum tftp_step tftp_transfer_next(struct tftp_transfer *t, uint64_t now_ms, struct tftp_block *block);

/* A packet came from the client. What is not ACK or ERROR changes nothing. */
void tftp_transfer_receive(struct tftp_transfer *t, const void *bytes, size_t length_bytes, uint64_t now_ms);

/* Time has passed; before `deadline_ms` this does nothing. */
void tftp_transfer_timeout(struct tftp_transfer *t, uint64_t now_ms);

/* The client repeats its request: what it was sent first was lost, or is still under way. */
void tftp_transfer_asked_again(struct tftp_transfer *t, size_t length_bytes, uint64_t now_ms);

/* The network says that nobody listens at the client's port any more. */
void tftp_transfer_gone(struct tftp_transfer *t);

/* Whether its block numbers pass 65535, which old firmware does not survive. */
bool tftp_transfer_rolls_over(const struct tftp_transfer *t);
