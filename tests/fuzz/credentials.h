/* One set of what tests/lib/pki makes, kept, so that what a fuzzer finds can be said again: a CA, and a
 * server and a device that it vouches for. They are good from 2020 to 2049, and for nothing else. */
#pragma once

static const char pki_ca[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBVDCB/KADAgECAgIQADAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENB\n"
	"MB4XDTIwMDEwMTAwMDAwMFoXDTQ5MTIzMTIzNTk1OVowEjEQMA4GA1UEAwwHVGVz\n"
	"dCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMw4plI1gjD/4SdzWincW+mK\n"
	"1VLRhG9HWjAwEfCmcu3CCLA4Ffc7X3nn788ydTGh8+fWjrz41G7B+m7t/vtXS06j\n"
	"QjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBSY\n"
	"Dm3j0SRMOTZ2iGz0Jjxqi4H6HjAKBggqhkjOPQQDAgNHADBEAiAkhMPLEL6q68Pi\n"
	"QRRxRyvx0cXwW9zoYE0xvMtO2ircrQIgLPEmPVO6627gIPy8xNdATD4pEmqdoKJv\n"
	"nAQEvTddCbU=\n"
	"-----END CERTIFICATE-----\n";

static const char pki_server[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIB1TCCAXqgAwIBAgICEAYwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHVGVzdCBD\n"
	"QTAeFw0yMDAxMDEwMDAwMDBaFw00OTEyMzEyMzU5NTlaMBExDzANBgNVBAMMBnNl\n"
	"cnZlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE9b/4XDWU/ohF3m6UXABxNQ\n"
	"5475To0dXuVhl4SNuNkRNChtaqXByoOnR0pN7MSswf8OBhJISrIAW2Nz1XLP/bCj\n"
	"gcAwgb0wDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0lBAwwCgYI\n"
	"KwYBBQUHAwEwSAYDVR0RBEEwP4IRbHdtMm0uZXhhbXBsZS5vcmeCEioud2lsZC5l\n"
	"eGFtcGxlLm9yZ4cEwAACAYcQIAENuAAAAAAAAAAAAAAAATAdBgNVHQ4EFgQUnpDh\n"
	"xAtLIz71e4tkYDaVLO6zOQ0wHwYDVR0jBBgwFoAUmA5t49EkTDk2dohs9CY8aouB\n"
	"+h4wCgYIKoZIzj0EAwIDSQAwRgIhAJZsLlqPI8Pg/qwwQy8iXKvP1IvPhhkCKMUj\n"
	"aruvaErpAiEAk3pMNcT0Z+rlA2Mn6qWcD1sBQk0FkKeuprp06ZSxIsc=\n"
	"-----END CERTIFICATE-----\n";

static const char pki_server_key[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIFEtxydGMJG9jjsaxKf2rU3Fr5E3f5x44s1wptltjgj2oAoGCCqGSM49\n"
	"AwEHoUQDQgAET1v/hcNZT+iEXebpRcAHE1DnjvlOjR1e5WGXhI242RE0KG1qpcHK\n"
	"g6dHSk3sxKzB/w4GEkhKsgBbY3PVcs/9sA==\n"
	"-----END EC PRIVATE KEY-----\n";

static const char pki_server_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAET1v/hcNZT+iEXebpRcAHE1DnjvlO\n"
	"jR1e5WGXhI242RE0KG1qpcHKg6dHSk3sxKzB/w4GEkhKsgBbY3PVcs/9sA==\n"
	"-----END PUBLIC KEY-----\n";

static const char pki_device[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBwTCCAWigAwIBAgICEBAwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHVGVzdCBD\n"
	"QTAeFw0yMDAxMDEwMDAwMDBaFw00OTEyMzEyMzU5NTlaMB0xGzAZBgNVBAMMEnVy\n"
	"bjpkZXY6b3M6bWV0ZXIxNzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEVuS3KE\n"
	"eHdzulVQDjWYcE9+b7G2EZoac0Mu4uE2z9VWCqUoan6R4+gbiUC0WDnsisnVtX8w\n"
	"pm6wy3DuWic4iGqjgaIwgZ8wDgYDVR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoGCCsG\n"
	"AQUFBwMCMDgGA1UdEQQxMC+CE21ldGVyMTcuZXhhbXBsZS5vcmeGGHVybjppbWVp\n"
	"OjQ5MDE1NDIwMzIzNzUxODAdBgNVHQ4EFgQUP8osPGuZdqqmnpJMyCnrRkuS7Wgw\n"
	"HwYDVR0jBBgwFoAUmA5t49EkTDk2dohs9CY8aouB+h4wCgYIKoZIzj0EAwIDRwAw\n"
	"RAIgCKNqf9Hgt82Dy3PSXoKv2Rce7VOL8IS0aX1XxGmlFD0CIAna00WFBapteVWb\n"
	"guFIlR1k4tFh+OEMFL9l9nApKuKJ\n"
	"-----END CERTIFICATE-----\n";

static const char pki_device_key[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIPWCYfPBLjlTI26S57/DBfJq7SWHOavw2qgQ9Vm15zaEoAoGCCqGSM49\n"
	"AwEHoUQDQgAERW5LcoR4d3O6VVAONZhwT35vsbYRmhpzQy7i4TbP1VYKpShqfpHj\n"
	"6BuJQLRYOeyKydW1fzCmbrDLcO5aJziIag==\n"
	"-----END EC PRIVATE KEY-----\n";

static const char pki_device_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERW5LcoR4d3O6VVAONZhwT35vsbYR\n"
	"mhpzQy7i4TbP1VYKpShqfpHj6BuJQLRYOeyKydW1fzCmbrDLcO5aJziIag==\n"
	"-----END PUBLIC KEY-----\n";
