/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP sockets: an application writes packets into a UMEM and reads others, at any time and
 * without a sync, while all of it is mapped for the card. The checker must report nothing.
 */
#include "xsk_rig.h"
/* after what has parameters of its names */
#include "check_rig.h"

enum { XSK_CHUNKS = 128, XSK_RING = 64 };

static bool in_ram; /* the UMEM is the library's RAM; otherwise memory of the process */
static const struct xdp_driver_ops *xsk_ops;

static char *umem_memory(void)
{
	if (in_ram)
		return page_address(alloc_pages(GFP_KERNEL, get_order(XSK_CHUNKS * CHUNK)));
	return mmap(NULL, XSK_CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

static void umem_memory_free(char *p)
{
	if (in_ram)
		free_pages((unsigned long)(uintptr_t)p,
			   (unsigned int)get_order(XSK_CHUNKS * CHUNK));
	else
		munmap(p, XSK_CHUNKS * CHUNK);
}

/* Sends a packet, receives one in another chunk, changes it in place and sends it back. */
static void turn(struct app *a, char *memory, u32 i)
{
	u64 own = (u64)(i % 32) * CHUNK, other = (u64)(64 + i % 32) * CHUNK;
	struct xdp_desc d;
	char packet[600];

	memset(memory + own, (int)i, 1000);
	app_put_desc(&a->tx, own, 1000, 0);
	app_put_addr(&a->fill, other);
	memset(packet, 7, sizeof(packet));
	card_send(0, a);
	assert_int_equal(card_receive(0, packet, sizeof(packet)), 0);
	assert_int_equal(app_waiting(&a->rx), 1);
	d = app_take_desc(&a->rx);
	assert_int_equal(memory[d.addr], 7);
	memset(memory + d.addr, 8, d.len + 60);
	app_put_desc(&a->tx, d.addr, d.len + 60, 0);
	card_send(0, a);
	while (app_waiting(&a->comp)) {
		u64 done = app_take_addr(&a->comp);

		memset(memory + (done & ~(u64)(CHUNK - 1)), 9, CHUNK);
	}
	card.n_sent = 0;
}

static void sockets(void)
{
	struct xdp_umem_reg reg = {.len = XSK_CHUNKS * CHUNK, .chunk_size = CHUNK, .headroom = 0};
	char *memory = umem_memory();
	struct xdp_umem *umem;
	struct app a;

	memset(&card, 0, sizeof(card));
	card.dev = dev;
	assert_int_equal(xdp_register_driver(dev, xsk_ops), 0);
	reg.addr = (uintptr_t)memory;
	umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(umem));
	app_open(&a, XSK_RING, XSK_RING, XSK_RING);
	assert_int_equal(xdp_sock_bind(a.xs, umem, dev, 0, 0, NULL), 0);
	assert_int_equal(card.pool[0] != NULL, xsk_ops == &card_zc);
	for (u32 i = 0; i < 100; i++)
		turn(&a, memory, i);
	xdp_sock_destroy(a.xs);
	xdp_umem_put(umem);
	memset(memory, 0, XSK_CHUNKS * CHUNK);
	umem_memory_free(memory);
}

static void run(bool ram, const struct xdp_driver_ops *ops)
{
	in_ram = ram;
	xsk_ops = ops;
	check_right(ram ? "sockets, UMEM in RAM" : "sockets, UMEM of the process", sockets);
}

static void test_zero_copy(void **state)
{
	run(true, &card_zc);
	run(false, &card_zc);
}

static void test_copy_mode(void **state)
{
	run(true, &card_copy);
	run(false, &card_copy);
}

/* The UMEM is freed while it is mapped for the card: the application must not do that. */
static void free_the_umem(void)
{
	struct xdp_umem_reg reg = {.len = 4096, .chunk_size = CHUNK, .headroom = 0};
	unsigned long memory = __get_free_pages(GFP_KERNEL, 0);
	struct xdp_umem *umem;
	struct app a;

	memset(&card, 0, sizeof(card));
	card.dev = dev;
	assert_int_equal(xdp_register_driver(dev, &card_zc), 0);
	reg.addr = memory;
	umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(umem));
	app_open(&a, XSK_RING, XSK_RING, XSK_RING);
	assert_int_equal(xdp_sock_bind(a.xs, umem, dev, 0, 0, NULL), 0);
	free_pages(memory, 0);
	assert_int_equal(check_reports, 1);
	xdp_sock_destroy(a.xs);
	xdp_umem_put(umem);
}

static void test_a_umem_that_goes_too_early(void **state)
{
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_MAPPED, free_the_umem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_copy),
		cmocka_unit_test(test_copy_mode),
		cmocka_unit_test(test_a_umem_that_goes_too_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
