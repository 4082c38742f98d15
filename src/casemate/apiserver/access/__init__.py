"""Who a caller is and what he may do: authentication, RBAC, audit, certificates."""
