#include "../test.h"

#include "dhcp/frame.h"

static const struct mac server = {{2, 0, 0, 0, 0, 1}};
static const struct mac client = {{0xdc, 0xa6, 0x32, 1, 2, 3}};

static struct dhcp_frame sample(const uint8_t *payload, size_t length_bytes)
{
    return (struct dhcp_frame){.from_mac = server,
                               .to_mac = client,
                               .from = 0xc0000201,
                               .to = 0xc0000232,
                               .from_port = 67,
                               .to_port = 68,
                               .payload = payload,
                               .payload_bytes = length_bytes};
}

static uint16_t sum_of(const uint8_t *bytes, size_t length_bytes, uint32_t sum)
{
    for (size_t i = 0; i < length_bytes; i++)
        sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void both_checksums_add_up(void **state)
{
    uint8_t bytes[DHCP_FRAME_MAX_BYTES];

    for (size_t length = 0; length < 5; length++) {
        struct dhcp_frame frame = sample((const uint8_t *)"hello", length);
        ssize_t total = dhcp_frame_encode(&frame, bytes);
        assert_int_equal(total, DHCP_FRAME_HEADER_BYTES + length);
        /* A sum that includes its own checksum is all ones (RFC 1071). */
        assert_int_equal(sum_of(bytes + 14, 20, 0), 0xffff);
        uint32_t pseudo = sum_of(bytes + 26, 8, 17 + 8 + (uint32_t)length);
        assert_int_equal(sum_of(bytes + 34, 8 + length, pseudo), 0xffff);
    }
}

static void what_was_framed_is_read(void **state)
{
    uint8_t bytes[DHCP_FRAME_MAX_BYTES];
    struct dhcp_frame frame = sample((const uint8_t *)"hello", 5);
    struct dhcp_frame read;
    ssize_t length = dhcp_frame_encode(&frame, bytes);

    assert_int_equal(dhcp_frame_decode(&read, bytes, (size_t)length), 0);
    assert_true(mac_equal(&read.from_mac, &server));
    assert_true(mac_equal(&read.to_mac, &client));
    assert_int_equal(read.from, 0xc0000201);
    assert_int_equal(read.to_port, 68);
    assert_int_equal(read.payload_bytes, 5);
    assert_memory_equal(read.payload, "hello", 5);
    for (ssize_t cut = 0; cut < length; cut++)
        assert_int_equal(dhcp_frame_decode(&read, bytes, (size_t)cut), -EBADMSG);
}

static void other_frames_are_none(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } changes[] = {
        {12, 0x86, "another ethertype"}, {14, 0x65, "IPv6"},       {14, 0x44, "a header that is too short"},
        {14, 0x4f, "options that are not there"}, {20, 0x20, "a first fragment"}, {21, 1, "a later fragment"},
        {23, 6, "TCP"},                  {17, 200, "more than there is"}, {39, 7, "a UDP length below its header"},
        {39, 100, "a UDP length beyond the end"},
    };
    uint8_t bytes[DHCP_FRAME_MAX_BYTES];
    struct dhcp_frame frame = sample((const uint8_t *)"hello", 5);
    struct dhcp_frame read;

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        ssize_t length = dhcp_frame_encode(&frame, bytes);
        bytes[changes[i].at] = changes[i].value;
        if (dhcp_frame_decode(&read, bytes, (size_t)length) == 0)
            fail_msg("%s was taken", changes[i].what);
    }
}

static void too_much_has_no_frame(void **state)
{
    static uint8_t payload[DHCP_FRAME_MAX_BYTES];
    uint8_t bytes[DHCP_FRAME_MAX_BYTES];
    struct dhcp_frame frame = sample(payload, sizeof(payload));

    assert_int_equal(dhcp_frame_encode(&frame, bytes), -EMSGSIZE);
}

static void an_announcement_names_us_twice(void **state)
{
    uint8_t bytes[DHCP_ANNOUNCEMENT_BYTES];

    dhcp_frame_announce(bytes, &server, 0xc0000201);
    assert_memory_equal(bytes, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x08\x06\0\1\x08\0\6\4\0\1", 22);
    assert_memory_equal(bytes + 22, "\2\0\0\0\0\1\xc0\0\2\1\0\0\0\0\0\0\xc0\0\2\1", 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_checksums_add_up), cmocka_unit_test(what_was_framed_is_read),
        cmocka_unit_test(other_frames_are_none), cmocka_unit_test(too_much_has_no_frame),
        cmocka_unit_test(an_announcement_names_us_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
