#include "dhcp/frame.h"

#include "base/bytes.h"

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_ARP_NUMBER = 0x0806,
    ETHERNET_BYTES = 14,
    IP_BYTES = 20,
    UDP_BYTES = 8,
    IP_VERSION_AND_LENGTH = 0x45,
    IP_DONT_FRAGMENT = 0x4000,
    IP_FRAGMENT_MASK = 0x3fff, /* more fragments, and the offset */
    TIME_TO_LIVE = 64,
    PROTOCOL_UDP = 17,
    IP_CHECKSUM_AT = ETHERNET_BYTES + 10,
    UDP_CHECKSUM_AT = ETHERNET_BYTES + IP_BYTES + 6,
};

const struct mac dhcp_everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* RFC 1071, without the final complement. */
static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    for (size_t i = 0; i + 1 < length_bytes; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (length_bytes % 2)
        sum += (uint32_t)bytes[length_bytes - 1] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_checksum(uint8_t *at, uint16_t checksum)
{
    struct writer w = writer_over(at, 2);

    writer_be16(&w, checksum);
}

static void encode_headers(struct writer *w, const struct dhcp_frame *frame)
{
    writer_bytes(w, frame->to_mac.bytes, MAC_BYTES);
    writer_bytes(w, frame->from_mac.bytes, MAC_BYTES);
    writer_be16(w, ETHERTYPE_IPV4);

    writer_u8(w, IP_VERSION_AND_LENGTH);
    writer_u8(w, 0);
    writer_be16(w, (uint16_t)(IP_BYTES + UDP_BYTES + frame->payload_bytes));
    writer_be16(w, 0);
    writer_be16(w, IP_DONT_FRAGMENT);
    writer_u8(w, TIME_TO_LIVE);
    writer_u8(w, PROTOCOL_UDP);
    writer_be16(w, 0);
    writer_be32(w, frame->from);
    writer_be32(w, frame->to);

    writer_be16(w, frame->from_port);
    writer_be16(w, frame->to_port);
    writer_be16(w, (uint16_t)(UDP_BYTES + frame->payload_bytes));
    writer_be16(w, 0);
}

static uint16_t udp_checksum(const uint8_t *packet, size_t udp_bytes)
{
    /* The pseudo header: both addresses, protocol, length. */
    uint32_t sum = sum_words(0, packet + ETHERNET_BYTES + 12, 8) + PROTOCOL_UDP + (uint32_t)udp_bytes;
    uint16_t checksum = fold(sum_words(sum, packet + ETHERNET_BYTES + IP_BYTES, udp_bytes));

    return checksum ? checksum : 0xffff;
}

ssize_t dhcp_frame_encode(const struct dhcp_frame *frame, uint8_t *to)
{
    struct writer w = writer_over(to, DHCP_FRAME_MAX_BYTES);

    encode_headers(&w, frame);
    writer_bytes(&w, frame->payload, frame->payload_bytes);
    if (!writer_ok(&w))
        return -EMSGSIZE;
    put_checksum(to + IP_CHECKSUM_AT, fold(sum_words(0, to + ETHERNET_BYTES, IP_BYTES)));
    put_checksum(to + UDP_CHECKSUM_AT, udp_checksum(to, UDP_BYTES + frame->payload_bytes));
    return (ssize_t)w.offset;
}

/* The IPv4 header; false if it is none, or begins something other than one whole UDP datagram. */
static bool decode_ip(struct reader *r, struct dhcp_frame *frame)
{
    size_t start = r->offset;
    uint8_t version_and_length = reader_u8(r);
    reader_skip(r, 1);
    size_t total_bytes = reader_be16(r);
    reader_skip(r, 2);
    uint16_t fragment = reader_be16(r);
    reader_skip(r, 1);
    uint8_t protocol = reader_u8(r);
    reader_skip(r, 2);
    frame->from = reader_be32(r);
    frame->to = reader_be32(r);

    size_t header_bytes = (version_and_length & 0xfu) * 4;
    if (!reader_ok(r) || version_and_length >> 4 != 4 || header_bytes < IP_BYTES || protocol != PROTOCOL_UDP ||
        fragment & IP_FRAGMENT_MASK || total_bytes > r->length_bytes - start)
        return false;
    reader_seek(r, start + header_bytes);
    return true;
}

int dhcp_frame_decode(struct dhcp_frame *frame, const void *bytes, size_t length_bytes)
{
    struct reader r = reader_over(bytes, length_bytes);

    *frame = (struct dhcp_frame){0};
    reader_copy(&r, frame->to_mac.bytes, MAC_BYTES);
    reader_copy(&r, frame->from_mac.bytes, MAC_BYTES);
    if (reader_be16(&r) != ETHERTYPE_IPV4 || !decode_ip(&r, frame))
        return -EBADMSG;
    frame->from_port = reader_be16(&r);
    frame->to_port = reader_be16(&r);
    size_t udp_bytes = reader_be16(&r);
    reader_skip(&r, 2);
    if (!reader_ok(&r) || udp_bytes < UDP_BYTES)
        return -EBADMSG;
    frame->payload_bytes = udp_bytes - UDP_BYTES;
    frame->payload = reader_bytes(&r, frame->payload_bytes);
    return frame->payload ? 0 : -EBADMSG;
}

void dhcp_frame_announce(uint8_t to[DHCP_ANNOUNCEMENT_BYTES], const struct mac *mac, uint32_t address)
{
    enum { ETHERNET = 1, ADDRESS_BYTES = 4, ARP_REQUEST = 1 };
    struct writer w = writer_over(to, DHCP_ANNOUNCEMENT_BYTES);

    writer_bytes(&w, dhcp_everyone.bytes, MAC_BYTES);
    writer_bytes(&w, mac->bytes, MAC_BYTES);
    writer_be16(&w, ETHERTYPE_ARP_NUMBER);
    writer_be16(&w, ETHERNET);
    writer_be16(&w, ETHERTYPE_IPV4);
    writer_u8(&w, MAC_BYTES);
    writer_u8(&w, ADDRESS_BYTES);
    writer_be16(&w, ARP_REQUEST);
    writer_bytes(&w, mac->bytes, MAC_BYTES);
    writer_be32(&w, address);
    writer_fill(&w, 0, MAC_BYTES);
    writer_be32(&w, address);
    writer_fill(&w, 0, DHCP_ANNOUNCEMENT_BYTES - w.offset);
    CHECK(writer_ok(&w));
}
