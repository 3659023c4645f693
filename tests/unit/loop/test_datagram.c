#include "../test.h"

#include "loop/datagram.h"

#include <net/if.h>
#include <poll.h>

static void a_datagram_tells_where_it_came_in(void **state)
{
    CLEANUP_FD int a = -1;
    CLEANUP_FD int b = -1;
    struct datagram_options loopback = {.address = INADDR_LOOPBACK};
    struct datagram_options any = {0};
    struct datagram_origin origin;
    char buffer[8];

    assert_int_equal(datagram_open(&loopback, &a), 0);
    assert_int_equal(datagram_open(&any, &b), 0);
    struct sockaddr_in to = inet_sockaddr(INADDR_LOOPBACK, datagram_port(b));
    assert_int_equal(datagram_receive(b, buffer, sizeof(buffer), &origin), -EAGAIN);

    assert_int_equal(datagram_send(a, "hello", 5, &to, INADDR_LOOPBACK, 0), 0);
    assert_int_equal(poll(&(struct pollfd){b, POLLIN, 0}, 1, 1000), 1);
    assert_int_equal(datagram_receive(b, buffer, sizeof(buffer), &origin), 5);
    assert_memory_equal(buffer, "hello", 5);
    assert_int_equal(inet_port_of_sockaddr(&origin.source), datagram_port(a));
    assert_int_equal(origin.destination, INADDR_LOOPBACK);
    assert_int_equal(origin.interface_index, (int)if_nametoindex("lo"));

    assert_int_equal(datagram_send(a, "too long for it", 15, &to, 0, 0), 0);
    assert_int_equal(poll(&(struct pollfd){b, POLLIN, 0}, 1, 1000), 1);
    assert_int_equal(datagram_receive(b, buffer, sizeof(buffer), &origin), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_datagram_tells_where_it_came_in)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
