/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of models that are refused. */
#include "model_toy.h"

/* A table that differs from the toy's in one way is refused with a word of the message. */
#define refused(word, change)                                                                      \
	do {                                                                                       \
		struct dmamap_model_ops m = toy_model;                                             \
		struct dmamap_model_key keys[] = {{.name = "a", .type = DMAMAP_MODEL_BOOL},        \
						  {.name = "b", .type = DMAMAP_MODEL_BOOL}};       \
                                                                                                   \
		m.name = "wrong";                                                                  \
		m.keys = keys;                                                                     \
		m.n_keys = 2;                                                                      \
		change;                                                                            \
		assert_int_equal(dmamap_model_register(&m), -EINVAL);                              \
		says(word);                                                                        \
	} while (0)

static void test_bad_tables(void **state)
{
	static const u8 bytes[80];
	static const struct dmamap_model_capability many[] = {{bytes, 60}, {bytes, UINT32_MAX}};

	refused(".size", m.size = 0);
	refused(".size", m.size = 1u << 20);
	refused(".size", m.size -= 8);
	refused("version 2", m.version = 2);
	refused(".name", m.name = NULL);
	refused(".name", m.name = "");
	refused(".name", m.name = "a/b");
	refused(".name", m.name = "a-name-that-is-far-too-long");
	refused(".create", m.create = NULL);
	refused(".destroy", m.destroy = NULL);
	refused(".read", m.read = NULL);
	refused(".line", m.line = NULL);
	refused(".flags", m.flags = 0x80);
	refused(".vendor", m.pci.vendor = 0);
	refused(".vendor", m.pci.vendor = 0xffff);
	refused("24 bits", m.pci.class_code = 1u << 24);
	refused(".pci.msi ", m.pci.msi = 33);
	refused(".reserved", m.pci.reserved[3] = 1);
	refused("capabilities", m.pci.capabilities = NULL);
	refused("capabilities", m.pci.n_capabilities = 1u << 31);
	refused("capabilities", m.pci.capabilities = many);
	refused("capabilities", (m.pci.capabilities = many + 1, m.pci.n_capabilities = 1));
}

static void test_bad_keys(void **state)
{
	refused(".keys", m.keys = NULL);
	refused(".keys", m.n_keys = 33);
	refused("no name", keys[1].name = NULL);
	refused("name", keys[1].name = "9a");
	refused("name", keys[1].name = "a b");
	refused("twice", keys[1].name = "a");
	refused("every device", keys[0].name = "policy");
	refused("every device", keys[0].name = "threads");
	refused(".type", keys[0].type = 0);
	refused(".type", keys[0].type = 7);
	refused(".choices", keys[0].type = DMAMAP_MODEL_ENUM);
	refused(".least", (keys[0].least = 2, keys[0].most = 1));
	refused("the default", keys[0].default_value = "yes");
	refused(".reserved", keys[0].reserved[1] = 1);
}

static void test_bad_regions(void **state)
{
	refused("power of two", m.region[0].size = 5000);
	refused("power of two", m.region[0].size = 8);
	refused("power of two", m.region[0].size = 1ull << 63);
	refused("power of two", m.region[0].size = 1 << 23);
	refused("power of two", m.region[1].size = 2048); /* mappable: less than a page */
	refused("power of two", m.region[5].size = 128);
	refused(".region[0].flags", m.region[0].flags = 0x10);
	refused(".region[5].flags", m.region[5].flags |= DMAMAP_BAR_64BIT);
	refused(".access", m.region[0].access = 0);
	refused(".access", m.region[0].access = 16);
	refused("two BARs", m.region[4] = m.region[0]);
	refused("two BARs",
		(m.region[3].size = 0, m.region[3].flags = m.region[3].access = 0,
		 m.region[5] = (struct dmamap_model_region){4096, DMAMAP_BAR_64BIT, 4}));
	refused("no .size", m.region[4].access = 4);
	refused("32-bit", (m.region[0].size = 1 << 22));
}

static void test_bad_msix(void **state)
{
	refused(".pci.msix ", m.pci.msix = 2049);
	refused("table_bar", m.pci.table_bar = 6);
	refused("table_bar", m.pci.table_bar = 4);
	refused("table_bar", m.pci.table_bar = 1); /* mappable: the driver would bypass it */
	refused("pba_bar", m.pci.pba_bar = 5);
	refused("table_offset", m.pci.table_offset = 4);
	refused("table_offset", m.pci.table_offset = 4096);
	refused("table_offset", m.pci.table_offset = 0xfffffff8);
	refused("pba_offset", m.pci.pba_offset = 4096 - 8);
	refused("overlap", m.pci.pba_offset = 0x450);
	refused("overlap", (m.pci.pba_offset = 0, m.pci.table_offset = 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_toy(test_bad_tables),
		with_toy(test_bad_keys),
		with_toy(test_bad_regions),
		with_toy(test_bad_msix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
