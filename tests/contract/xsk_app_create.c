/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The application's library: with which arguments the creation of a UMEM and a socket succeeds or
 * fails, and the state afterwards.
 */
#include "xsk_app_rig.h"

static void test_refused(void **state)
{
	struct xsk_socket_config c = config_of(0), odd = config_of(0);
	struct xsk_umem_config bad = umem_config;
	struct xsk_umem *none = NULL;

	open_umem(&card_copy);
	assert_int_equal(xsk_umem__create(NULL, memory, CHUNK, &fill, &comp, NULL), -EFAULT);
	assert_int_equal(xsk_umem__create(&none, NULL, CHUNK, &fill, &comp, NULL), -EFAULT);
	assert_int_equal(xsk_umem__create(&none, memory, CHUNK, NULL, &comp, NULL), -EFAULT);
	assert_int_equal(xsk_umem__create(&none, memory + 1, CHUNK, &fill, &comp, &umem_config),
			 -EINVAL);
	bad.fill_size = 3;
	assert_int_equal(xsk_umem__create(&none, memory, CHUNK, &fill, &comp, &bad), -EINVAL);
	bad = umem_config;
	bad.frame_size = 77;
	assert_int_equal(xsk_umem__create(&none, memory, CHUNK, &fill, &comp, &bad), -EINVAL);
	assert_null(none);
	assert_int_equal(xsk_umem__fd(NULL), -EINVAL);
	assert_int_equal(xsk_socket__fd(NULL), -EINVAL);
	assert_int_equal(xsk_umem__delete(NULL), 0);
	xsk_socket__delete(NULL);

	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, NULL, &rx, &tx, &c), -EFAULT);
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, NULL, NULL, &c), -EFAULT);
	assert_int_equal(xsk_socket__create(&sock, "eth8", 0, umem, &rx, &tx, &c), -ENODEV);
	assert_int_equal(xsk_socket__create(&sock, "sim,iommu=7", 0, umem, &rx, &tx, &c), -EINVAL);
	odd.libxdp_flags = 4;
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &odd), -EINVAL);
	odd = config_of(XDP_ZEROCOPY);
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &odd), -EOPNOTSUPP);
	assert_int_equal(xsk_socket__create(&sock, "eth7", 99, umem, &rx, &tx, &c), -EINVAL);
	/* the UMEM's first socket still exists, with its rings, after all of that */
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), 0);
	put_fill(0, 1);
	packet_in(0);
	take_rx(1);
	assert_int_equal(xsk_umem__delete(umem), -EBUSY);
	stop();
}

/*
 * A refused call leaves nothing behind: neither in the application's structures nor in the UMEM, on
 * which the corrected call then succeeds.
 */
static void test_corrected(void **state)
{
	struct xsk_socket_config c = config_of(0);
	struct xsk_ring_cons rx_before, comp_before, no_rx;
	struct xsk_ring_prod tx_before, moved;

	open_umem(&card_copy);
	memset(&rx, 0x5a, sizeof(rx));
	memset(&tx, 0x5a, sizeof(tx));
	rx_before = rx;
	tx_before = tx;
	comp_before = comp;
	put_fill(0, 1);
	c.rx_size = 1000;
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), -EINVAL);
	c.rx_size = 4 * RING;
	c.tx_size = 1000;
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), -EINVAL);
	c.tx_size = 8 * RING;
	c.bind_flags = XDP_ZEROCOPY;
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), -EOPNOTSUPP);
	assert_memory_equal(&rx, &rx_before, sizeof(rx));
	assert_memory_equal(&tx, &tx_before, sizeof(tx));
	assert_memory_equal(&comp, &comp_before, sizeof(comp));
	/* the UMEM's own rings are not written again: the program may have moved them */
	moved = fill;
	memset(&fill, 0x5a, sizeof(fill));
	c = config_of(0);
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, NULL, &c), 0);
	assert_int_equal(fill.size, 0x5a5a5a5a);
	fill = moved;
	assert_int_equal(rx.size, RING);
	assert_memory_equal(&tx, &tx_before, sizeof(tx));
	assert_int_equal(sendto(xsk_socket__fd(sock), NULL, 0, MSG_DONTWAIT, NULL, 0),
			 BY_THREAD ? 0 : -1); /* the others have no TX ring */
	packet_in(0);
	take_rx(1);
	/* the RX ring has exactly the length that it reports */
	put_fill(1, RING);
	for (u32 i = 0; i < RING; i++)
		packet_in(0);
	put_fill(0, 1);
	assert_int_equal(card_receive(0, "late", 4), -ENOBUFS);
	take_rx(RING);
	/* a further socket that is refused on another queue writes none of its rings */
	no_rx = rx_before;
	c.rx_size = 7;
	moved = tx_before;
	comp_before = rx_before;
	assert_int_equal(xsk_socket__create_shared(&sock, "eth7", 1, umem, &no_rx, NULL, &moved,
						   &comp_before, &c),
			 -EINVAL);
	assert_memory_equal(&no_rx, &rx_before, sizeof(rx));
	assert_memory_equal(&moved, &tx_before, sizeof(moved));
	assert_memory_equal(&comp_before, &rx_before, sizeof(comp_before));
	stop();
}

/* The usual configuration, a descriptor of the caller's, a device opened by its spec. */
static void test_by_spec(void **state)
{
	int fd = open("/dev/null", O_RDONLY);
	struct xsk_socket *second;
	struct xsk_ring_cons rx2;

	card_open("sim,name=bystander", NULL);
	memory = mmap(NULL, CHUNKS * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_int_equal(
		xsk_umem__create_with_fd(&umem, fd, memory, CHUNKS * 4096, &fill, &comp, NULL), 0);
	assert_int_equal(xsk_umem__fd(umem), fd);
	assert_null(dmamap_find("eth9"));
	assert_int_equal(xsk_socket__create(&sock, "sim,name=eth9", 0, umem, &rx, NULL, NULL), 0);
	assert_int_equal(xsk_socket__fd(sock), fd);
	assert_non_null(dmamap_find("eth9"));
	assert_int_equal(xsk_socket__create_shared(&second, "sim,name=eth9", 0, umem, &rx2, NULL,
						   NULL, NULL, NULL),
			 0);
	xsk_socket__delete(sock);
	assert_non_null(dmamap_find("eth9"));
	xsk_socket__delete(second);
	assert_null(dmamap_find("eth9"));
	assert_int_equal(xsk_umem__delete(umem), 0);
	munmap(memory, CHUNKS * 4096);
	card_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_corrected),
		cmocka_unit_test(test_by_spec),
	};

	return cmocka_run_group_tests_name("xsk_app_create", tests, NULL, NULL);
}
