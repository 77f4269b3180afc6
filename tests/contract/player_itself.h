/* SPDX-License-Identifier: BSD-2-Clause */
/* Included by a player, which calls the library's own functions. */
#undef dmamap_open
#undef dmamap_close
#undef dmamap_bus_read
#undef dmamap_bus_write
#undef dmamap_bus_fault_next
