/*
 * Ethernet frames with one UDP datagram, and the ARP announcement: for clients that have no address to send to yet.
 */
#pragma once

#include "base/inet.h"
#include "base/mac.h"

enum {
    DHCP_FRAME_HEADER_BYTES = 14 + 20 + 8,
    DHCP_FRAME_MAX_BYTES = DHCP_FRAME_HEADER_BYTES + 2048,
    DHCP_ANNOUNCEMENT_BYTES = 60,
};

struct dhcp_frame {
    struct mac from_mac;
    struct mac to_mac;
    uint32_t from;
    uint32_t to;
    uint16_t from_port;
    uint16_t to_port;
    const uint8_t *payload;
    size_t payload_bytes;
};

extern const struct mac dhcp_everyone; /* ff:ff:ff:ff:ff:ff */

/* `to` holds DHCP_FRAME_MAX_BYTES. With both checksums: firmware checks them. Gives the length; -EMSGSIZE. */
ssize_t dhcp_frame_encode(const struct dhcp_frame *frame, uint8_t *to);
/* Checksums are not looked at: a virtual card leaves them to the receiver. `payload` points into `bytes`. -EBADMSG for
 * what is not one whole UDP datagram over IPv4. */
int dhcp_frame_decode(struct dhcp_frame *frame, const void *bytes, size_t length_bytes);

/* Gratuitous ARP (RFC 5227 section 2.3): "this address is at this hardware". */
void dhcp_frame_announce(uint8_t to[DHCP_ANNOUNCEMENT_BYTES], const struct mac *mac, uint32_t address);
